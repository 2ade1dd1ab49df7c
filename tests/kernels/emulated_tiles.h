// The tiles of AMX in software: what encoder_kernels_amx.cc asks of the processor, so that its kernels run, and are
// tested, on every machine with AVX-512. To be included before the file that uses them; the semantics are those of
// the Intel 64 manual, volume 1, chapter 18, and volume 2 (TDPBSUD, TDPBF16PS). What faults there, traps here: a tile
// that is not configured, shapes that do not fit each other. Including this once is what the unnamed namespace is for.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace smidgen {
namespace {

struct EmulatedTiles {
  static constexpr int kTiles = 8, kRows = 16, kBytes = 64;
  int rows[kTiles] = {}, bytes[kTiles] = {};  // both 0: not configured
  alignas(64) std::uint8_t data[kTiles][kRows][kBytes] = {};

  void require(bool holds) const {
    if (!holds) __builtin_trap();
  }
  void configured(int tile) const { require(rows[tile] > 0 && bytes[tile] > 0); }

  void load_config(const void* from) {
    const auto* config = static_cast<const std::uint8_t*>(from);
    require(config[0] == 1 && config[1] == 0);
    for (int tile = 0; tile < kTiles; ++tile) {
      bytes[tile] = config[16 + 2 * tile] | config[17 + 2 * tile] << 8;
      rows[tile] = config[48 + tile];
      require(rows[tile] <= kRows && bytes[tile] <= kBytes && (rows[tile] == 0) == (bytes[tile] == 0));
      zero_all_of(tile);
    }
  }
  void release() {
    for (int tile = 0; tile < kTiles; ++tile) rows[tile] = bytes[tile] = 0;
  }
  void zero_all_of(int tile) { __builtin_memset(data[tile], 0, sizeof(data[tile])); }
  void zero(int tile) {
    configured(tile);
    zero_all_of(tile);
  }
  // Rows and bytes beyond the tile's shape become zero.
  void load(int tile, const void* from, std::size_t stride) {
    zero(tile);
    for (int row = 0; row < rows[tile]; ++row)
      __builtin_memcpy(data[tile][row], static_cast<const std::uint8_t*>(from) + static_cast<std::size_t>(row) * stride,
                       static_cast<std::size_t>(bytes[tile]));
  }
  void store(int tile, void* to, std::size_t stride) const {
    configured(tile);
    for (int row = 0; row < rows[tile]; ++row)
      __builtin_memcpy(static_cast<std::uint8_t*>(to) + static_cast<std::size_t>(row) * stride, data[tile][row],
                       static_cast<std::size_t>(bytes[tile]));
  }

  template <class Value>
  Value get(int tile, int row, int i) const {
    Value value;
    __builtin_memcpy(&value, data[tile][row] + static_cast<std::size_t>(i) * sizeof(Value), sizeof(Value));
    return value;
  }
  // c (M, N) += a (M, K) b (K, N), K in groups of four bytes; `dot(c, row, k, column)` adds one group.
  template <class Value, class Dot>
  void multiply(int c, int a, int b, const Dot& dot) {
    configured(a);
    configured(b);
    configured(c);
    require(rows[c] == rows[a] && bytes[c] == bytes[b] && bytes[a] / 4 == rows[b]);
    for (int row = 0; row < rows[c]; ++row)
      for (int column = 0; column < bytes[c] / 4; ++column) {
        Value sum = get<Value>(c, row, column);
        for (int k = 0; k < rows[b]; ++k) sum = dot(sum, row, k, column);
        __builtin_memcpy(data[c][row] + 4 * static_cast<std::size_t>(column), &sum, sizeof(sum));
      }
  }
  void multiply_signed_by_unsigned(int c, int a, int b) {
    multiply<std::int32_t>(c, a, b, [&](std::int32_t sum, int row, int k, int column) {
      for (int byte = 0; byte < 4; ++byte)
        sum += get<std::int8_t>(a, row, 4 * k + byte) * get<std::uint8_t>(b, k, 4 * column + byte);
      return sum;
    });
  }
  void multiply_bf16(int c, int a, int b) {
    multiply<float>(c, a, b, [&](float sum, int row, int k, int column) {
      for (int half = 0; half < 2; ++half)
        sum += widened(get<std::uint16_t>(a, row, 2 * k + half)) * widened(get<std::uint16_t>(b, k, 2 * column + half));
      return sum;
    });
  }
  static float widened(std::uint16_t bf16) {
    const std::uint32_t bits = std::uint32_t{bf16} << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof(value));
    return value;
  }
};

thread_local EmulatedTiles emulated_tiles;

}  // namespace
}  // namespace smidgen

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbsud
#undef _tile_dpbf16ps
#define _tile_loadconfig(config) emulated_tiles.load_config(config)
#define _tile_release() emulated_tiles.release()
#define _tile_zero(tile) emulated_tiles.zero(tile)
#define _tile_loadd(tile, from, stride) emulated_tiles.load(tile, from, stride)
#define _tile_stored(tile, to, stride) emulated_tiles.store(tile, to, stride)
#define _tile_dpbsud(c, a, b) emulated_tiles.multiply_signed_by_unsigned(c, a, b)
#define _tile_dpbf16ps(c, a, b) emulated_tiles.multiply_bf16(c, a, b)
