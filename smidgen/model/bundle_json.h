// The two JSON documents of a bundle as text: bundle.json and certificate.json. Reading is strict: a missing field, a
// field of the wrong type or out of range is one error that names it; so is a value that contradicts another.
// Fields (`format` = 1 in both):
//   bundle.json       format task labels[] precision (typos) rungs[{name kind path stacks{weights{rung: w} bias[]}
//                     threshold tokens_max (exit_after)}] files{path: sha256}; exit_after: of exits alone
//   certificate.json  every member of Certificate under its own name
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"
#include "smidgen/model/bundle.h"

namespace smidgen {

inline constexpr int kBundleFormat = 1;
inline constexpr std::uint64_t kBundleJsonBytesMax = 64ULL << 20;
inline constexpr std::size_t kLabelsMax = 65536, kLabelBytesMax = 4096, kRungsMax = 8, kFilesMax = 4096;
inline constexpr std::size_t kTokensMax = 1 << 20, kLayersMax = 1024;

// What bundle.json holds: the info, and the hash of every file but bundle.json, certificate.json and README.md.
struct BundleManifest {
  BundleInfo info;
  std::map<std::string, std::string> files;  // relative path with '/': 64 lower-case hexadecimal digits
  bool repairs_typos = false;                // `typos`: "repair"; its speller is in a file of its own
};

// True for one safe component of a path inside a bundle: a letter or digit, then letters, digits, '.', '_', '-', at
// most 96 bytes in all. Nothing else can name a file: no "..", no leading dot, no separator.
bool is_safe_name(std::string_view name);

Status validate_info(const BundleInfo& info);
Result<std::string> manifest_to_json(const BundleManifest& manifest);
Result<BundleManifest> manifest_from_json(std::string_view text);
Result<std::string> certificate_to_json(const Certificate& certificate);
Result<Certificate> certificate_from_json(std::string_view text);

}  // namespace smidgen
