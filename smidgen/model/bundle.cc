#include "smidgen/model/bundle.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/file.h"
#include "smidgen/base/new_path.h"
#include "smidgen/base/open_error.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/base/sha256.h"
#include "smidgen/model/bundle_json.h"
#include "smidgen/model/smoothing.h"
#include "smidgen/model/speller_file.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kCertificateBytesMax = 16ULL << 20;
constexpr char kTampered[] = "the bundle was changed or damaged; copy it again or pick again";

// One entry of a folder: kept when it is a regular file of one name.
Status keep_file(const std::string& path, const std::string& full, const struct stat& info,
                 std::map<std::string, std::string>& found) {
  if (!S_ISREG(info.st_mode)) return Error::bad_data("a link or special file has no place in a bundle").in(full);
  if (info.st_nlink != 1)  // its other name could change it after it was hashed
    return Error::bad_data("the file has another name elsewhere (a hard link)")
        .in(full)
        .hint("copy the bundle with `cp -r`, without links");
  if (found.size() >= kFilesMax) return Error::bad_data("more than " + std::to_string(kFilesMax) + " files").in(full);
  found.emplace(path, full);
  return Ok{};
}

// Paths (relative to `folder`, with '/') of the regular files below `folder`/`inside`. A link or a special file is an
// error: what is hashed must be what is read. By readdir: the standard's iterators end the program when memory does.
Status list_files(const std::string& folder, const std::string& inside, std::map<std::string, std::string>& found) {
  struct stat info {};
  if (::lstat((folder + "/" + inside).c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return Error::bad_data("the folder \"" + inside + "\" is missing or not a folder").in(folder).hint(kTampered);
  std::vector<std::string> folders = {inside};
  while (!folders.empty()) {
    const std::string at = std::move(folders.back());
    folders.pop_back();
    const std::string full = folder + "/" + at;
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(full.c_str()), ::closedir);
    if (open == nullptr) return Error::io(std::string("cannot list: ") + std::strerror(errno)).in(full);
    while (const dirent* entry = ::readdir(open.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      std::string path = at + "/" + entry->d_name;
      if (::fstatat(::dirfd(open.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return Error::io(std::string("cannot look at it: ") + std::strerror(errno)).in(folder + "/" + path);
      if (!S_ISDIR(info.st_mode)) {
        SMIDGEN_TRY(keep_file(path, folder + "/" + path, info, found));
      } else if (folders.size() >= kFilesMax) {
        return Error::bad_data("more than " + std::to_string(kFilesMax) + " folders").in(full);
      } else {
        folders.push_back(std::move(path));
      }
    }
  }
  return Ok{};
}

// The speller's file, which stands beside the rungs' folders; left out of `found` when it is missing.
Status find_speller(const std::string& folder, std::map<std::string, std::string>& found) {
  const std::string full = folder + "/" + kSpellerFileName;
  struct stat info {};
  if (::lstat(full.c_str(), &info) != 0) return Ok{};
  return keep_file(kSpellerFileName, full, info, found);
}

// Every listed file is there with its hash, and no other file stands in a rung's folder.
Status check_files(const std::string& folder, const BundleManifest& manifest) {
  std::map<std::string, std::string> found;
  for (const BundleRung& rung : manifest.info.rungs) SMIDGEN_TRY(list_files(folder, rung.path, found));
  if (manifest.repairs_typos) SMIDGEN_TRY(find_speller(folder, found));
  for (const auto& [path, hash] : manifest.files)
    if (!found.contains(path))
      return Error::bad_data("the file listed in bundle.json is missing").in(folder + "/" + path).hint(kTampered);
  for (const auto& [path, full] : found) {
    const auto listed = manifest.files.find(path);
    if (listed == manifest.files.end())
      return Error::bad_data("the file is not listed in bundle.json").in(full).hint(kTampered);
    SMIDGEN_ASSIGN(const std::string hash, sha256_file(full));
    if (hash != listed->second)
      return Error::bad_data("SHA-256 is " + hash.substr(0, 12) + ".., bundle.json says " +
                             listed->second.substr(0, 12) + "..")
          .in(full)
          .hint(kTampered);
  }
  return Ok{};
}

// int8 multiplies what its smoothing says, which is measured anew, on whatever machine, where it is missing: then what
// runs would not be what was certified.
Status check_smoothing(const std::string& folder, const BundleManifest& manifest) {
  if (manifest.info.precision != Precision::kInt8) return Ok{};
  for (std::size_t i = 0; i < manifest.info.rungs.size(); ++i) {
    const BundleRung& rung = manifest.info.rungs[i];
    if (shares_encoder(manifest.info.rungs, i)) continue;
    const auto is_here = [&](const auto& file) {
      return file.first.starts_with(rung.path + "/") && file.first.ends_with(std::string("/") + Smoothing::kFileName);
    };
    if (rung.kind == RungKind::kEncoder && std::none_of(manifest.files.begin(), manifest.files.end(), is_here))
      return Error::bad_data(std::string("an encoder in int8 lacks ") + Smoothing::kFileName)
          .in(folder + "/" + rung.path)
          .hint("make the bundle again: an older version wrote it, or it was changed");
  }
  return Ok{};
}

Result<std::string> read_plain_file(const std::string& path, std::uint64_t bytes_max) {
  std::error_code code;
  const fs::file_status status = fs::symlink_status(path, code);
  if (fs::is_symlink(status) || (fs::is_regular_file(status) && fs::hard_link_count(path, code) > 1))
    return Error::bad_data("a link has no place in a bundle").in(path);
  return read_file(path, bytes_max);
}

Result<std::optional<Certificate>> read_certificate(const std::string& folder, const Bundle& bundle) {
  const std::string path = folder + "/certificate.json";
  std::error_code code;
  if (!fs::exists(fs::symlink_status(path, code))) return std::optional<Certificate>();
  SMIDGEN_ASSIGN(const std::string text, read_plain_file(path, kCertificateBytesMax));
  auto certificate = certificate_from_json(text);
  if (!certificate.ok()) return std::move(certificate).error().in(path);
  if (certificate->bundle_sha256 != bundle.sha256)
    return Error::bad_data("the certificate belongs to another bundle: its `bundle_sha256` is not that of bundle.json")
        .in(path)
        .hint(kTampered);
  if (const std::string_view own = precision_name(bundle.info.precision); certificate->precision != own)
    return Error::bad_data("the certificate is for precision \"" + certificate->precision + "\", the bundle has \"" +
                           std::string(own) + "\"")
        .in(path);
  return std::optional<Certificate>(std::move(*certificate));
}

// --force replaces bundles, never somebody's home folder.
Status check_replaceable(const std::string& folder) {
  std::error_code code;
  if (!fs::exists(folder, code) || fs::exists(folder + "/bundle.json", code)) return Ok{};
  if (fs::is_directory(folder, code) && fs::is_empty(folder, code)) return Ok{};
  return Error(ErrorKind::kCannotCreate, "exists and is not a bundle: it is not replaced")
      .in(folder)
      .hint("choose another name for the bundle");
}

}  // namespace

Status check_bundle_target(const std::string& folder, bool replace) {
  if (folder == "-") return Error::usage("a bundle is a folder; it cannot go to standard output").hint("name a folder");
  std::error_code code;
  SMIDGEN_TRY(check_replaceable(folder));
  if (!replace && fs::exists(fs::symlink_status(folder, code)))
    return Error(ErrorKind::kCannotCreate, "already exists").in(folder).hint("choose another --out or pass --force");
  return check_parent(write_target(without_end_slashes(folder)));
}

Precision bundle_precision(const std::vector<BundleRung>& rungs, Precision of_encoder) {
  for (const BundleRung& rung : rungs)
    if (rung.kind == RungKind::kEncoder) return of_encoder;
  return Precision::kF32;
}

bool shares_encoder(const std::vector<BundleRung>& rungs, std::size_t at) {
  return rungs[at].exit_after > 0 && at + 1 < rungs.size() && rungs[at + 1].kind == RungKind::kEncoder;
}

namespace {

Result<std::unique_ptr<Rung>> open_rung(const BundleRung& rung, const std::string& folder, std::size_t labels,
                                        Precision precision, const RungLoader& loader) {
  SMIDGEN_ASSIGN(std::unique_ptr<Rung> loaded, loader(rung.kind, folder, labels, rung.tokens_max, precision));
  if (rung.exit_after == 0) return loaded;
  return loaded->load_exit(folder, rung.exit_after);
}

// From the last to the first: an exit is opened from the rung after it.
Status open_rungs(const std::string& folder, const RungLoader& loader, Precision precision, Bundle& bundle) {
  const std::vector<BundleRung>& infos = bundle.info.rungs;
  const std::size_t labels = bundle.info.labels.size();
  bundle.rungs.resize(infos.size());
  for (std::size_t i = infos.size(); i-- > 0;) {
    const std::string rung_folder = folder + "/" + infos[i].path;
    auto loaded = shares_encoder(infos, i) ? bundle.rungs[i + 1]->load_exit(rung_folder, infos[i].exit_after)
                                           : open_rung(infos[i], rung_folder, labels, precision, loader);
    if (!loaded.ok()) {  // what a bundle asks of a rung is data, not what somebody asked for
      Error error = std::move(loaded).error();
      if (error.kind() != ErrorKind::kUsage) return std::move(error).in(rung_folder);
      return Error::bad_data(error.what())
          .in(folder + "/bundle.json")
          .hint("the file is damaged: train or fetch the bundle again");
    }
    if ((*loaded)->labels() != labels)
      return Error::bad_data("the rung answers " + std::to_string((*loaded)->labels()) + " labels, the bundle has " +
                             std::to_string(labels))
          .in(rung_folder);
    bundle.rungs[i] = std::move(*loaded);
  }
  return Ok{};
}

}  // namespace

Result<Bundle> Bundle::load(const std::string& folder, std::optional<Precision> precision) {
  return load(folder, load_rung, precision);
}

Result<Bundle> Bundle::load(const std::string& folder, const RungLoader& loader,
                            std::optional<Precision> precision) try {
  const std::string path = folder + "/bundle.json";
  std::error_code code;
  const bool there = fs::exists(path, code);
  if (code) return open_error(path, code.value());
  if (!there && !fs::exists(folder, code))
    return Error::no_input("no such bundle").in(folder).hint("make one with `smidgen pick` or `smidgen train`");
  if (!there) return Error::bad_data("is not a bundle: a folder with bundle.json is wanted").in(folder);
  SMIDGEN_ASSIGN(const std::string text, read_plain_file(path, kBundleJsonBytesMax));
  auto manifest = manifest_from_json(text);
  if (!manifest.ok()) return std::move(manifest).error().in(path);
  SMIDGEN_TRY(check_files(folder, *manifest));
  SMIDGEN_TRY(check_smoothing(folder, *manifest));
  Bundle bundle;
  bundle.info = std::move(manifest->info);
  bundle.sha256 = sha256_hex(text);
  SMIDGEN_ASSIGN(bundle.certificate, read_certificate(folder, bundle));
  if (manifest->repairs_typos) {
    SMIDGEN_ASSIGN(bundle.info.speller, load_speller(folder + "/" + kSpellerFileName));
  }
  const Precision used = bundle_precision(bundle.info.rungs, precision.value_or(bundle.info.precision));
  bundle.other_precision = used != bundle.info.precision;
  SMIDGEN_TRY(open_rungs(folder, loader, used, bundle));
  return bundle;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Status save_bundle(const std::string& folder, bool replace, const BundleInfo& info,
                   const std::vector<const Rung*>& rungs, const std::optional<Certificate>& certificate,
                   const std::string& model_card) {
  SMIDGEN_CHECK(rungs.size() == info.rungs.size());
  BundleManifest manifest;
  manifest.info = info;
  if (auto valid = validate_info(info); !valid.ok()) return std::move(valid).error().in(folder);
  for (std::size_t i = 0; i < rungs.size(); ++i)  // an exit of another encoder would come back as one of this
    SMIDGEN_CHECK(rungs[i]->exit_after() == info.rungs[i].exit_after &&
                  (!shares_encoder(info.rungs, i) || rungs[i + 1]->goes_on_from(*rungs[i])));
  SMIDGEN_TRY(check_replaceable(folder));
  SMIDGEN_ASSIGN(StagedFolder staged, StagedFolder::create(folder, replace));
  std::map<std::string, std::string> found;
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    const std::string rung_folder = staged.path() + "/" + info.rungs[i].path;
    if (::mkdir(rung_folder.c_str(), 0755) != 0)
      return Error(ErrorKind::kCannotCreate, std::string("cannot create: ") + std::strerror(errno)).in(rung_folder);
    SMIDGEN_TRY(shares_encoder(info.rungs, i) ? rungs[i]->save_exit(rung_folder) : rungs[i]->save(rung_folder));
    SMIDGEN_TRY(list_files(staged.path(), info.rungs[i].path, found));
  }
  if (info.speller != nullptr) {
    SMIDGEN_TRY(save_speller(*info.speller, staged.path() + "/" + kSpellerFileName));
    SMIDGEN_TRY(find_speller(staged.path(), found));
  }
  for (const auto& [path, full] : found) {
    SMIDGEN_ASSIGN(manifest.files[path], sha256_file(full));
  }
  SMIDGEN_ASSIGN(const std::string text, manifest_to_json(manifest));
  if (auto readable = manifest_from_json(text); !readable.ok()) return std::move(readable).error().in(folder);
  SMIDGEN_TRY(write_file_atomic(staged.path() + "/bundle.json", text));
  if (certificate) {
    Certificate bound = *certificate;
    bound.bundle_sha256 = sha256_hex(text);
    SMIDGEN_ASSIGN(const std::string certificate_text, certificate_to_json(bound));
    SMIDGEN_TRY(write_file_atomic(staged.path() + "/certificate.json", certificate_text));
  }
  SMIDGEN_TRY(write_file_atomic(staged.path() + "/README.md", model_card));
  return staged.commit();
}

}  // namespace smidgen
