#include "smidgen/learn/attempts.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kLogBytesMax = 64 << 20;
constexpr std::int64_t kAttemptsMax = 1'000'000'000'000;

using Counts = std::map<std::string, std::uint64_t>;

// Held while the log is read and written; released by closing, also when the process dies.
class Lock {
 public:
  static Result<Lock> take(const std::string& path, double seconds_max) {
    Lock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.descriptor_ < 0)
      return Error(errno == EACCES || errno == EROFS ? ErrorKind::kPermission : ErrorKind::kCannotCreate,
                   std::string("cannot create: ") + std::strerror(errno))
          .in(path);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_max);
    while (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR)
        return Error::io(std::string("cannot lock: ") + std::strerror(errno)).in(path);
      if (std::chrono::steady_clock::now() >= deadline)
        return Error(ErrorKind::kLocked, "another process holds the lock").in(path).hint("try again when it has ended");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return lock;
  }
  Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  explicit Lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

Result<Counts> read_counts(const std::string& path) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kLogBytesMax));
  if (!document.root().is_object()) return Error::bad_data("is not a JSON object").in(path);
  SMIDGEN_TRY(json_integer(document.root(), "format", 1, 1));
  simdjson::dom::object attempts;
  if (document.root().at_key("attempts").get(attempts) != simdjson::SUCCESS)
    return Error::bad_data("`attempts` must be an object").in(path);
  Counts counts;
  for (const auto field : attempts) {
    std::int64_t count = 0;
    if (field.value.get(count) != simdjson::SUCCESS || count < 1 || count > kAttemptsMax)
      return Error::bad_data("a count is not a positive integer").in(path);
    counts.emplace(field.key, static_cast<std::uint64_t>(count));
  }
  return counts;
}

std::string counts_as_json(const Counts& counts) {
  std::string text = "{\"format\":1,\"attempts\":{";
  for (const auto& [id, count] : counts) {
    text += text.back() == '{' ? "\n" : ",\n";
    append_json_string(text, id);
    text += ":" + std::to_string(count);
  }
  return text + "}}\n";
}

}  // namespace

AttemptLog::AttemptLog(std::string folder, double lock_seconds_max)
    : folder_(std::move(folder)), lock_seconds_max_(lock_seconds_max) {}

Result<std::uint64_t> AttemptLog::record(const std::string& split_id) {
  warning_.clear();
  std::error_code code;
  std::filesystem::create_directories(folder_, code);
  if (code)
    return Error(code == std::errc::permission_denied ? ErrorKind::kPermission : ErrorKind::kCannotCreate,
                 "cannot create folder: " + code.message())
        .in(folder_);
  const std::string path = folder_ + "/attempts.json";
  SMIDGEN_ASSIGN(const Lock lock, Lock::take(folder_ + "/attempts.lock", lock_seconds_max_));
  Counts counts;
  if (std::filesystem::exists(path, code)) {
    auto known = read_counts(path);
    if (known.ok()) {
      counts = std::move(*known);
    } else {
      warning_ = "The log of certification attempts was damaged and starts again, earlier attempts are not counted (" +
                 known.error().message() + "); the old one is now " + path + ".damaged.";
      std::filesystem::rename(path, path + ".damaged", code);
    }
  }
  lost_ = std::filesystem::exists(path + ".damaged", code);
  const std::uint64_t attempts = ++counts[split_id];
  SMIDGEN_TRY(write_file_atomic(path, counts_as_json(counts)));
  return attempts;
}

}  // namespace smidgen
