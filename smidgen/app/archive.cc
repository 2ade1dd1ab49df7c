#include "smidgen/app/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

namespace smidgen {

namespace fs = std::filesystem;

namespace {

struct CloseArchive {
  void operator()(struct archive* a) const { ::archive_read_free(a); }
};
using Reader = std::unique_ptr<struct archive, CloseArchive>;

Error broken(struct archive* reader, const std::string& path) {
  const char* text = ::archive_error_string(reader);
  return Error::bad_data(std::string("cannot be unpacked: ") + (text != nullptr ? text : "damaged archive")).in(path);
}

// Relative, printable, without "." or ".." parts.
bool is_safe_entry(std::string_view path) {
  if (path.empty() || path.size() > 512 || path[0] == '/') return false;
  for (const char c : path)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' || c == ':') return false;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part == "." || part == ".." || (part.empty() && end != path.size())) return false;
    at = end + 1;
  }
  return true;
}

Status write_all(int fd, const char* bytes, std::size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t put = ::write(fd, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0)
      return Error::io(std::string("cannot write: ") + std::strerror(errno)).in(path).hint("check free space");
    bytes += put;
    size -= static_cast<std::size_t>(put);
  }
  return Ok{};
}

// Copies the entry's data; the declared size is not believed.
Status copy_entry(struct archive* reader, const std::string& archive, const std::string& to, std::uint64_t entry_max,
                  std::uint64_t& left) {
  std::error_code code;
  fs::create_directories(fs::path(to).parent_path(), code);
  const int fd = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return Error(ErrorKind::kCannotCreate, std::string("cannot create: ") + std::strerror(errno)).in(to);
  std::vector<char> buffer(1 << 16);
  Status status = Ok{};
  for (std::uint64_t written = 0; status.ok();) {
    const la_ssize_t got = ::archive_read_data(reader, buffer.data(), buffer.size());
    if (got == 0) break;
    if (got < 0) {
      status = broken(reader, archive);
      break;
    }
    const auto size = static_cast<std::uint64_t>(got);
    written += size;
    if (written > entry_max || size > left) {
      status = Error::bad_data("unpacks to more than is allowed").in(archive);
      break;
    }
    left -= size;
    status = write_all(fd, buffer.data(), static_cast<std::size_t>(got), to);
  }
  ::close(fd);
  return status;
}

}  // namespace

Result<std::size_t> unpack(const std::string& archive, const std::string& folder, const ArchiveChoice& choose,
                           const ArchiveLimits& limits) {
  const Reader reader(::archive_read_new());
  SMIDGEN_CHECK(reader != nullptr);
  ::archive_read_support_filter_gzip(reader.get());
  ::archive_read_support_format_tar(reader.get());
  ::archive_read_support_format_zip(reader.get());
  if (::archive_read_open_filename(reader.get(), archive.c_str(), 1 << 16) != ARCHIVE_OK)
    return broken(reader.get(), archive);
  std::uint64_t left = limits.bytes_max;
  std::size_t entries = 0, files = 0;
  struct archive_entry* entry = nullptr;
  for (;;) {
    const int next = ::archive_read_next_header(reader.get(), &entry);
    if (next == ARCHIVE_EOF) return files;
    if (next != ARCHIVE_OK) return broken(reader.get(), archive);
    if (++entries > limits.entries_max) return Error::bad_data("holds too many entries").in(archive);
    const char* name = ::archive_entry_pathname(entry);
    const std::string path = name != nullptr ? name : "";
    if (!is_safe_entry(path)) return Error::bad_data("holds an unsafe path").in(archive);
    const auto type = ::archive_entry_filetype(entry);
    if (type == AE_IFDIR) continue;
    if (type != AE_IFREG || ::archive_entry_hardlink(entry) != nullptr)
      return Error::bad_data("holds a link or special file: " + path).in(archive);
    const std::string to = choose(path);
    if (to.empty()) continue;
    SMIDGEN_CHECK(is_safe_entry(to));
    SMIDGEN_TRY(copy_entry(reader.get(), archive, folder + "/" + to, limits.entry_bytes_max, left));
    ++files;
  }
}

}  // namespace smidgen
