// Attention of encoder_kernels_body.h, after its products and rows.
//
// Keys and values of a head are packed once as panels of weights: scores are queries times panels of 16 keys, contexts
// are probabilities times panels of 16 columns of the values. `Tiles` multiplies up to kLowAttentionRows rows by any
// number of panels of keys, or by two panels of values, and says how many queries (rows_for) and keys (kKeysAtOnce,
// whose scores and probabilities should stay in the first-level cache) it wants at a time, and to what multiple keys
// are padded (kKeyStep).
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"

namespace smidgen {

namespace {

constexpr float kPower0 = 0.9999251961708069F, kPower1 = 0.6958335041999817F;
constexpr float kPower2 = 0.2260671705007553F, kPower3 = 0.07802451401948929F;
// 2^x for x <= 0, relative error 8e-5 (a rounding to bf16 is 4e-3): 2^floor(x) times a polynomial of degree 3 in the
// fraction.
inline F power_of_two(F x) {
  const F r = fraction(x);
  F p = fma(splat(kPower3), r, splat(kPower2));
  p = fma(p, r, splat(kPower1));
  p = fma(p, r, splat(kPower0));
  return scaled_by_power(p, x);
}

// Buffers of one head inside the workspace, each on a line of its own.
struct HeadBuffers {
  std::uint8_t *keys, *values, *queries;
  float* scores;
  std::uint8_t* weights;  // probabilities in bf16
  float* context;
  size_t keys_padded, depth;           // t padded to the key step, head_dim to 32
  size_t score_stride, weight_stride;  // elements: a line more than a row, or rows 2 KB apart would share cache sets

  HeadBuffers(const LowAttention& call, size_t keys_at_once, size_t key_step)
      : keys_padded(padded_to(call.t, key_step)),
        depth(padded_to(call.head_dim, 32)),
        score_stride(min(keys_padded, keys_at_once) + kLineBytes / 4),
        weight_stride(min(keys_padded, keys_at_once) + kLineBytes / 2) {
    const auto address = reinterpret_cast<std::uintptr_t>(call.workspace);
    keys = static_cast<std::uint8_t*>(call.workspace) + (kLineBytes - address % kLineBytes) % kLineBytes;
    values = keys + keys_padded * depth * 2;
    queries = values + keys_padded * depth * 2;
    scores = reinterpret_cast<float*>(queries + kLowAttentionRows * depth * 2);
    weights = reinterpret_cast<std::uint8_t*>(scores + kLowAttentionRows * score_stride);
    context = reinterpret_cast<float*>(weights + kLowAttentionRows * weight_stride * 2);
  }
};

// keys (t, head_dim), `stride` elements apart -> panels of 16 keys, a line for each pair of dimensions
inline void pack_keys(const LowAttention& call, const std::uint16_t* keys, const HeadBuffers& to) {
  const size_t pairs = call.head_dim / 2, lines = to.depth / 2;
  for (size_t j = 0; j < to.keys_padded; j += 16) {
    std::uint8_t* panel = to.keys + j / 16 * lines * kLineBytes;
    const size_t rows = j < call.t ? min(16, call.t - j) : 0;
    const auto* from = reinterpret_cast<const std::uint8_t*>(keys + (j < call.t ? j : 0) * call.qkv_stride);
    for (size_t i = 0; i < pairs; i += 16)
      transpose_words(from + i * 4, call.qkv_stride * 2, rows, min(16, pairs - i), panel + i * kLineBytes);
    if (pairs < lines) __builtin_memset(panel + pairs * kLineBytes, 0, (lines - pairs) * kLineBytes);
    for (size_t r = 0; call.head_dim % 2 != 0 && r < rows; ++r)
      __builtin_memcpy(panel + pairs * kLineBytes + r * 4, keys + (j + r) * call.qkv_stride + call.head_dim - 1, 2);
  }
}

// values (t, head_dim) -> panels of 16 columns, a line for each pair of keys
inline void pack_values(const LowAttention& call, const std::uint16_t* values, const HeadBuffers& to) {
  const size_t t = call.t, width = call.head_dim, whole = width / kWide * kWide, lines = to.keys_padded / 2;
  const auto number = [&](const std::uint16_t* value, bool present, size_t d) __attribute__((always_inline)) {
    if (!present || d >= width) return no_integers();
    return d < whole ? load_halves(value + d) : load_halves_first(value + d, width - d);
  };
  for (size_t line = 0; line < lines; ++line) {
    const size_t j = 2 * line;
    const std::uint16_t *even = values + (j < t ? j : 0) * call.qkv_stride, *odd = even + call.qkv_stride;
    std::uint8_t* out = to.values + line * kLineBytes;
    size_t d = 0;
    if (j + 1 < t)  // the most common
      for (; d < whole; d += kWide)
        store_integers(out + d / 16 * lines * kLineBytes + d % 16 * 4,
                       either(load_halves(even + d), shift_left_16(load_halves(odd + d))));
    for (; d < to.depth; d += kWide)
      store_integers(out + d / 16 * lines * kLineBytes + d % 16 * 4,
                     either(number(even, j < t, d), shift_left_16(number(odd, j + 1 < t, d))));
  }
}

constexpr float kUnseen = -1.0e38F;     // the score of a key that is not seen
constexpr float kLogTwo = 1.44269504F;  // e^x = 2^(x / log 2)
constexpr float kLowestTop = -3.0e38F;

// Where the softmax of each query of a tile stands: it takes the keys some at a time (Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018). Two things keep what is rounded to bf16 the same however keys and queries
// are cut: exponents are taken above a whole power of two, so that another maximum moves no bit of a mantissa, and the
// sum is of the rounded probabilities, so that they add up to 1.
struct SoftRows {
  alignas(64) float tops[kLowAttentionRows];  // a whole number above all exponents so far
  alignas(64) float sums[kLowAttentionRows];  // of 2^(exponent - top)

  SoftRows() {
    for (size_t r = 0; r < kLowAttentionRows; r += kWide) {
      store(tops + r, splat(kLowestTop));
      store(sums + r, splat(0.0F));
    }
  }
};

inline float whole_above(float x) {
  return first_of(add(splat(x), fraction(splat(-x))));
}
// 2^x of whole numbers
inline F powers_of(F x) {
  return scaled_by_power(splat(1.0F), x);
}

// 2^(x factor - top) of `whole` scores (whole vectors) to bf16, and perhaps a vector of zeros behind them; returns
// their sums, lane by lane.
inline F powers_of_scores(const float* scores, size_t whole, float factor, float top, std::uint16_t* out) {
  const F f = splat(factor), offset = splat(-top);
  F sum = splat(0.0F), sum2 = sum;
  size_t i = 0;
  for (; i + 4 * kWide <= whole; i += 4 * kWide) {
    sum = store_bf16_pair_and_sum(out + i, power_of_two(fma(load(scores + i), f, offset)),
                                  power_of_two(fma(load(scores + i + kWide), f, offset)), sum);
    sum2 = store_bf16_pair_and_sum(out + i + 2 * kWide, power_of_two(fma(load(scores + i + 2 * kWide), f, offset)),
                                   power_of_two(fma(load(scores + i + 3 * kWide), f, offset)), sum2);
  }
  for (; i + 2 * kWide <= whole; i += 2 * kWide)
    sum = store_bf16_pair_and_sum(out + i, power_of_two(fma(load(scores + i), f, offset)),
                                  power_of_two(fma(load(scores + i + kWide), f, offset)), sum);
  if (i < whole)
    sum = store_bf16_pair_and_sum(out + i, power_of_two(fma(load(scores + i), f, offset)), splat(0.0F), sum);
  return add(sum, sum2);
}

// The larger of `highest` and what `whole` scores hold, lane by lane.
inline F largest_score(const float* scores, size_t whole, F highest) {
  F highest2 = highest;
  size_t i = 0;
  for (; i + 2 * kWide <= whole; i += 2 * kWide) {
    highest = larger(highest, load(scores + i));
    highest2 = larger(highest2, load(scores + i + kWide));
  }
  if (i < whole) highest = larger(highest, load(scores + i));
  return larger(highest, highest2);
}

// Scores of some keys to probabilities in bf16, not yet divided by their sum. Keys [begin, end) of `padded` (whole
// vectors) are seen; the others get 0. Returns what the sum and the context so far must be multiplied by.
inline float soft_keys(float* scores, size_t begin, size_t end, size_t padded, float scale, float& row_top,
                       float& row_sum, std::uint16_t* out) {
  size_t whole = 0;
  float shrink = 1;
  if (begin < end) {
    for (size_t i = 0; i < begin; ++i) scores[i] = kUnseen;
    whole = padded_to(end, kWide);
    if (const size_t last = whole - kWide; end < whole)
      store(scores + last, or_else(load(scores + last), end - last, splat(kUnseen)));
    const float factor = scale * kLogTwo;
    const float above = whole_above(max_of(largest_score(scores, whole, splat(kUnseen))) * factor);
    const float top = row_top < above ? above : row_top;
    if (row_sum > 0) shrink = first_of(powers_of(splat(row_top - top)));
    row_top = top;
    row_sum = row_sum * shrink + sum_of(powers_of_scores(scores, whole, factor, top, out));
  }
  for (size_t i = whole; i < padded; i += kWide) store_bf16(out + i, splat(0.0F));
  return shrink;
}

// totals (rows) = the sums of rows of kWide floats.
inline void sum_rows(const float* x, size_t rows, float* totals) {
  alignas(64) float turned[16 * kWide];
  for (size_t r = 0; r < rows; r += 16) {
    transpose_words(reinterpret_cast<const std::uint8_t*>(x + r * kWide), kWide * 4, min(16, rows - r), kWide,
                    reinterpret_cast<std::uint8_t*>(turned));
    for (size_t half = 0; half < 16; half += kWide) {
      F total = load(turned + half), total2 = load(turned + 16 + half);
      for (size_t i = 2; i < kWide; i += 2) {
        total = add(total, load(turned + i * 16 + half));
        total2 = add(total2, load(turned + (i + 1) * 16 + half));
      }
      store(totals + r + half, add(total, total2));
    }
  }
}

// The same for rows of a tile that all see `seen` keys. They share the largest score of all: a probability keeps its
// precision however small it is, so a row may lie far below the others, and finding one maximum instead of one a row,
// and the rows' sums together, costs half. A row too far below (its sum under 2^-60) would lose its tail; then nothing
// is changed and false returned.
inline bool soft_tile(const HeadBuffers& head, size_t rows, size_t seen, size_t padded, float scale, SoftRows& soft,
                      float* shrinks) {
  constexpr float kSumMin = 0x1p-60F;
  alignas(64) float sums[kLowAttentionRows * kWide], totals[kLowAttentionRows];
  const size_t whole = padded_to(seen, kWide), last = whole - kWide;
  F highest = splat(kUnseen);
  for (size_t r = 0; r < rows; ++r) {
    float* scores = head.scores + r * head.score_stride;
    if (seen < whole) store(scores + last, or_else(load(scores + last), seen - last, splat(kUnseen)));
    highest = largest_score(scores, whole, highest);
  }
  const float factor = scale * kLogTwo;
  F tops = splat(whole_above(max_of(highest) * factor));
  for (size_t r = 0; r < rows; r += kWide) tops = larger(tops, load(soft.tops + r));
  const float top = max_of(tops);
  for (size_t r = 0; r < rows; ++r) {
    auto* out = reinterpret_cast<std::uint16_t*>(head.weights) + r * head.weight_stride;
    store(sums + r * kWide, powers_of_scores(head.scores + r * head.score_stride, whole, factor, top, out));
    for (size_t i = whole; i < padded; i += kWide) store_bf16(out + i, splat(0.0F));
  }
  sum_rows(sums, rows, totals);
  F smallest = splat(kSumMin);
  for (size_t r = 0; r < rows; r += kWide) {
    const F shrink = powers_of(subtract(load(soft.tops + r), splat(top)));
    const F total = fma(load(soft.sums + r), shrink, load(totals + r));
    smallest = smaller(or_else(total, rows - r, smallest), smallest);
    store(shrinks + r, shrink);
    store(totals + r, total);
  }
  if (max_of(subtract(splat(kSumMin), smallest)) > 0) return false;
  for (size_t r = 0; r < rows; r += kWide) {
    store(soft.tops + r, splat(top));
    store(soft.sums + r, load(totals + r));
  }
  return true;
}

// The queries of one tile, and the keys that some of them see.
struct QueryTile {
  const std::uint8_t* a;  // `rows` rows of depth bf16
  size_t a_stride, first, rows, begin, end;
};

inline QueryTile query_tile(const LowAttention& call, const std::uint16_t* query, size_t first, size_t rows,
                            const HeadBuffers& head) {
  const size_t window = call.window == 0 ? call.t : call.window;
  QueryTile tile = {reinterpret_cast<const std::uint8_t*>(query + first * call.qkv_stride),
                    call.qkv_stride * 2,
                    first,
                    rows,
                    first < window ? 0 : (first - window) / 32 * 32,
                    min(call.t, first + rows + window)};
  if (call.head_dim == head.depth) return tile;
  for (size_t r = 0; r < rows; ++r) {  // a padded copy
    __builtin_memset(head.queries + r * head.depth * 2, 0, head.depth * 2);
    __builtin_memcpy(head.queries + r * head.depth * 2, tile.a + r * tile.a_stride, call.head_dim * 2);
  }
  tile.a = head.queries;
  tile.a_stride = head.depth * 2;
  return tile;
}

// Keys [at, at + keys) for one tile of queries: scores, probabilities, and their part of head.context.
template <class Tiles>
void attend_keys(const LowAttention& call, const QueryTile& tile, const HeadBuffers& head, size_t at, size_t keys,
                 SoftRows& soft) {
  const size_t key_panel = head.depth / 2 * kLineBytes, value_panel = head.keys_padded / 2 * kLineBytes;
  Tiles::multiply_keys(tile.rows, tile.a, tile.a_stride, head.keys + at / 16 * key_panel, key_panel, head.depth / 2,
                       keys / 16, head.scores, head.score_stride);
  const size_t window = call.window == 0 ? call.t : call.window;
  alignas(64) float shrink[kLowAttentionRows];
  const bool together =
      call.window == 0 && soft_tile(head, tile.rows, min(call.t - at, keys), keys, call.scale, soft, shrink);
  for (size_t r = 0; !together && r < tile.rows; ++r) {
    const size_t i = tile.first + r, from = i < window ? 0 : i - window, to = min(call.t, i + window + 1);
    shrink[r] = soft_keys(head.scores + r * head.score_stride, from > at ? from - at : 0,
                          to > at ? min(to - at, keys) : 0, keys, call.scale, soft.tops[r], soft.sums[r],
                          reinterpret_cast<std::uint16_t*>(head.weights) + r * head.weight_stride);
  }
  for (size_t d = 0; d < call.head_dim; d += 32) {
    float* context = head.context + d;
    float* part = at == tile.begin ? context : head.context + kLowAttentionRows * head.depth;
    const size_t stride = at == tile.begin ? head.depth : 32;
    Tiles::multiply_values(tile.rows, head.weights, head.weight_stride * 2,
                           head.values + d / 16 * value_panel + at / 2 * kLineBytes, value_panel, keys / 2, part,
                           stride);
    for (size_t r = 0; at != tile.begin && r < tile.rows; ++r)
      for (size_t i = 0; i < 32; i += kWide)
        store(context + r * head.depth + i,
              fma(load(context + r * head.depth + i), splat(shrink[r]), load(part + r * 32 + i)));
  }
}

// Queries [first, first + rows) of one head.
template <class Tiles>
void attend(const LowAttention& call, const std::uint16_t* query, size_t first, size_t rows, const HeadBuffers& head,
            float* out) {
  const QueryTile tile = query_tile(call, query, first, rows, head);
  SoftRows soft;
  for (size_t at = tile.begin; at < tile.end; at += Tiles::kKeysAtOnce)
    attend_keys<Tiles>(call, tile, head, at, min(Tiles::kKeysAtOnce, padded_to(tile.end - at, Tiles::kKeyStep)), soft);
  for (size_t r = 0; r < rows; r += kWide) store(soft.sums + r, divide(splat(1.0F), load(soft.sums + r)));
  const size_t width = call.head_dim, whole = width / kWide * kWide, hidden = call.hidden;
  out += first * hidden;
  for (size_t r = 0; r < rows; ++r, out += hidden) {
    const F inverse = splat(soft.sums[r]);
    const float* context = head.context + r * head.depth;
    for (size_t i = 0; i < whole; i += kWide) store(out + i, multiply(load(context + i), inverse));
    if (whole < width) store_first(out + whole, multiply(load(context + whole), inverse), width - whole);
  }
}

// Queries are cut into tiles of equal size; the last is moved up to end where they end, and finds again what it shares
// with the one before.
template <class Tiles>
void attention(const LowAttention& call) {
  if (call.t == 0) return;
  const size_t hidden = call.hidden;
  const HeadBuffers buffers(call, Tiles::kKeysAtOnce, Tiles::kKeyStep);
  const size_t most = Tiles::rows_for(call.t);
  const size_t tiles = (call.t + most - 1) / most, rows = (call.t + tiles - 1) / tiles;
  Tiles::begin(rows);
  for (size_t head = 0; head < call.heads; ++head) {
    const std::uint16_t* query = call.qkv + head * call.head_dim;
    pack_keys(call, query + hidden, buffers);
    pack_values(call, query + 2 * hidden, buffers);
    for (size_t i = 0; i < tiles; ++i)
      attend<Tiles>(call, query, min(i * rows, call.t - rows), rows, buffers, call.out + head * call.head_dim);
  }
  Tiles::end();
}

// Keys and values of long sequences do not stay in the first-level cache: then more queries share a reading of them.
constexpr size_t attention_rows_for(size_t t) {
  return t > 256 ? kLowAttentionRows : kLowAttentionRows / 2;
}

// Attention's products by the accumulators of a Dot.
template <class Dot>
struct VectorTiles {
  static constexpr size_t kKeysAtOnce = 512, kKeyStep = kLowPanelColumns;
  // Where there are many accumulators, two full tiles of them.
  static constexpr size_t rows_for(size_t t) {
    constexpr size_t kTwoTiles = size_t{2} * Dot::kRows;
    return kTwoTiles > kLowAttentionRows * 3 / 4 && t <= 256 ? kTwoTiles : attention_rows_for(t);
  }
  static void begin(size_t) {}
  static void end() {}
  static void multiply_keys(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                            size_t panel_bytes, size_t lines, size_t panels, float* out, size_t out_stride) {
    constexpr size_t kPanels = kTileColumns / kLowPanelColumns;
    for (; panels >= kPanels; panels -= kPanels, b += kPanels * panel_bytes, out += kTileColumns)
      multiply_tile(rows, a, a_stride, b, panel_bytes, lines, out, out_stride);
    for (size_t row = 0, some = 0; panels > 0 && row < rows; row += some) {
      some = min(rows - row, kNarrowRows);
      accumulate_narrow_rows<Dot>(some, a + row * a_stride, a_stride, b, lines, out + row * out_stride, out_stride);
    }
  }
  static void multiply_values(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                              size_t panel_bytes, size_t lines, float* out, size_t out_stride) {
    for (size_t column = 0; column < kLowPairColumns; column += kTileColumns)
      multiply_tile(rows, a, a_stride, b + column / kLowPanelColumns * panel_bytes, panel_bytes, lines, out + column,
                    out_stride);
  }

 private:
  static void multiply_tile(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                            size_t panel_bytes, size_t lines, float* out, size_t out_stride) {
    const size_t tiles = (rows + Dot::kRows - 1) / Dot::kRows;
    for (size_t i = 0, row = 0; i < tiles; ++i) {
      const size_t some = rows / tiles + (i < rows % tiles ? 1 : 0);
      accumulate_rows<Dot>(some, a + row * a_stride, a_stride, b, kVectorStep(panel_bytes), lines, nullptr, 0,
                           out + row * out_stride, out_stride);
      row += some;
    }
  }
};

}  // namespace

}  // namespace smidgen
