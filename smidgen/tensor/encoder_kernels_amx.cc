// Encoder kernels for AMX (int8 and bf16 tiles), with AVX-512 for what lies between products.
//
// A tile is 16 rows of 64 bytes. Products run on 2 x 2 tiles of accumulators, 32 rows by 32 columns: tiles 0-3 are the
// accumulators, 4 and 5 rows of A, 6 and 7 lines of B (16 lines of a panel are one tile). A call cuts its rows into
// blocks of equal size, at most 32, so that one tile configuration serves all of them: the upper tiles have 16 rows,
// the lower ones what is left of the block. The last block is moved up to end where A ends; what it computes a second
// time is not stored a second time.
#include "smidgen/tensor/encoder_avx512_body.h"
#include "smidgen/tensor/encoder_kernels_body.h"

namespace smidgen {

namespace {

constexpr size_t kTileRows = 16;
constexpr size_t kTileBytes = kLineBytes * kLinesOfTile;

// What ldtilecfg reads (Intel 64 manual, volume 1, chapter 18).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  // A tile of no rows is not configured; using it would fault.
  explicit TileConfig(const size_t (&rows_of)[8]) {
    for (size_t i = 0; i < 8; ++i) {
      row_bytes[i] = rows_of[i] == 0 ? 0 : kLineBytes;
      rows[i] = static_cast<std::uint8_t>(rows_of[i]);
    }
  }
};

// Tiles are this thread's until it calls _tile_release(), which keeps its context switches cheap.
inline void use_tiles(size_t upper, size_t lower) {
  const TileConfig config({upper, upper, lower, lower, upper, lower, kLinesOfTile, kLinesOfTile});
  // g++ believes that ldtilecfg reads 8 bytes and may drop the stores of the others.
  __asm__ volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}
// The multiplication of one step; tile numbers are part of an instruction, hence a macro. Rows of int8 are signed,
// weights unsigned.
#define SMIDGEN_TILE_DOT(c, a, b) \
  if constexpr (kInt8)            \
    _tile_dpbsud(c, a, b);        \
  else                            \
    _tile_dpbf16ps(c, a, b)

inline void ask_for(const std::uint8_t* next, size_t lines) {
  for (size_t i = 0; i < lines; ++i) _mm_prefetch(reinterpret_cast<const char*>(next + i * kLineBytes), _MM_HINT_T0);
}

// What a tile is loaded from was written by stores the compiler does not know to be read here.
inline void written_before() {
  __asm__ volatile("" ::: "memory");
}

// 16 < rows <= 32: out (rows, 32) of sums. `between` runs after each step.
template <bool kInt8, class Between>
inline void two_by_two(const std::uint8_t* a, size_t a_stride, const std::uint8_t* b, size_t panel_bytes, size_t lines,
                       float* out, size_t out_stride, const Between& between) {
  const std::uint8_t* lower = a + kTileRows * a_stride;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t i = 0; i < lines; i += kLinesOfTile, a += kLineBytes, lower += kLineBytes, b += kTileBytes) {
    _tile_loadd(6, b, kLineBytes);
    _tile_loadd(4, a, a_stride);
    SMIDGEN_TILE_DOT(0, 4, 6);
    _tile_loadd(5, lower, a_stride);
    SMIDGEN_TILE_DOT(2, 5, 6);
    _tile_loadd(7, b + panel_bytes, kLineBytes);
    SMIDGEN_TILE_DOT(1, 4, 7);
    SMIDGEN_TILE_DOT(3, 5, 7);
    between();
  }
  const size_t stride = out_stride * sizeof(float);
  _tile_stored(0, out, stride);
  _tile_stored(1, out + 16, stride);
  _tile_stored(2, out + kTileRows * out_stride, stride);
  _tile_stored(3, out + kTileRows * out_stride + 16, stride);
}

// rows <= 16
template <bool kInt8, class Between>
inline void one_by_two(const std::uint8_t* a, size_t a_stride, const std::uint8_t* b, size_t panel_bytes, size_t lines,
                       float* out, size_t out_stride, const Between& between) {
  _tile_zero(0);
  _tile_zero(1);
  for (size_t i = 0; i < lines; i += kLinesOfTile, a += kLineBytes, b += kTileBytes) {
    _tile_loadd(4, a, a_stride);
    _tile_loadd(6, b, kLineBytes);
    SMIDGEN_TILE_DOT(0, 4, 6);
    _tile_loadd(7, b + panel_bytes, kLineBytes);
    SMIDGEN_TILE_DOT(1, 4, 7);
    between();
  }
  _tile_stored(0, out, out_stride * sizeof(float));
  _tile_stored(1, out + 16, out_stride * sizeof(float));
}

// The rows of the block before, finished a few at a time between the steps of this block: the tiles compute meanwhile.
template <class Finish>
struct Pending {
  Finish finish;
  const float* tile = nullptr;
  size_t row = 0, end = 0;

  void some(size_t count) {
    for (const size_t stop = min(end, row + count); row < stop; ++row, tile += kLowPairColumns) finish(tile, row);
  }
};

template <bool kInt8, class Finish>
void tile_product_as(const LowProduct& call) {
  const size_t blocks = (call.m + 2 * kTileRows - 1) / (2 * kTileRows), rows = (call.m + blocks - 1) / blocks;
  const size_t upper = min(rows, kTileRows), panel_bytes = call.lines * kLineBytes;
  const size_t ask = (2 * kLinesOfTile + blocks - 1) / blocks;  // lines to ask for with every two tiles of B
  const size_t steps = call.lines / kLinesOfTile, finished_a_step = (rows + steps - 1) / steps;
  alignas(64) float tiles[2][2 * kTileRows * kLowPairColumns];
  const auto* a = static_cast<const std::uint8_t*>(call.a);
  Pending<Finish> pending = {Finish(call, 0), tiles[0]};  // no rows yet
  size_t turn = 0;
  use_tiles(upper, rows - upper);
  for (size_t column = 0; column < call.n; column += kLowPairColumns) {
    const auto* b = static_cast<const std::uint8_t*>(call.panels) + column / kLowPanelColumns * panel_bytes;
    const std::uint8_t* next = b + 2 * panel_bytes;  // after the last panel: whatever the caller put behind it
    for (size_t block = 0; block < blocks; ++block) {
      const size_t first = min(block * rows, call.m - rows), skip = block * rows - first;
      const std::uint8_t* from = a + first * call.a_stride;
      float* tile = tiles[turn++ % 2];
      const auto between = [&]() __attribute__((always_inline)) {
        ask_for(next, ask);
        next += ask * kLineBytes;
        pending.some(finished_a_step);
      };
      if (rows > kTileRows)
        two_by_two<kInt8>(from, call.a_stride, b, panel_bytes, call.lines, tile, kLowPairColumns, between);
      else
        one_by_two<kInt8>(from, call.a_stride, b, panel_bytes, call.lines, tile, kLowPairColumns, between);
      pending = {Finish(call, column), tile + skip * kLowPairColumns, first + skip, first + rows};
    }
  }
  pending.some(rows);
  _tile_release();
}

template <bool kInt8>
void tile_product(const LowProduct& call) {
  if (call.m == 0 || call.n == 0) return;
  with_finish<kInt8>(call, [&]<class Finish>() { tile_product_as<kInt8, Finish>(call); });
}

// Attention by the same tiles: up to 32 queries share what is read of keys and values.
struct AttentionTiles {
  static constexpr size_t kKeysAtOnce = 512, kKeyStep = 32;  // what one tile of values holds
  static constexpr size_t rows_for(size_t t) { return attention_rows_for(t); }
  static void begin(size_t rows) { use_tiles(min(rows, kTileRows), rows - min(rows, kTileRows)); }
  static void end() { _tile_release(); }
  static void multiply_keys(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                            size_t panel_bytes, size_t lines, size_t panels, float* out, size_t out_stride) {
    for (size_t p = 0; p < panels; p += 2)
      multiply_values(rows, a, a_stride, b + p * panel_bytes, panel_bytes, lines, out + p * kLowPanelColumns,
                      out_stride);
  }
  static void multiply_values(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                              size_t panel_bytes, size_t lines, float* out, size_t out_stride) {
    written_before();
    if (rows > kTileRows)
      two_by_two<false>(a, a_stride, b, panel_bytes, lines, out, out_stride, [] {});
    else
      one_by_two<false>(a, a_stride, b, panel_bytes, lines, out, out_stride, [] {});
  }
};

}  // namespace

const EncoderKernels kAmxEncoderKernels = {
    "amx",      tile_product<true>, tile_product<false>, attention<AttentionTiles>, quantize,
    round_rows, norm_quantize,      norm_round,          kTokensPerPassOfTiles};

}  // namespace smidgen
