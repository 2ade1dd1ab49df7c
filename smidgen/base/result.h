// Result<T>: a value or one typed error. The world (files, users, networks) fails through Result; bugs fail through
// SMIDGEN_CHECK. No exception crosses a public header.
//
//   Result<Config> load(const std::string& path) {
//     SMIDGEN_ASSIGN(std::string text, read_file(path, kConfigBytesMax));
//     if (text.empty()) return Error::bad_data("empty config").in(path).hint("write at least {}");
//     return parse(text);
//   }
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace smidgen {

// What kind of failure, numbered by the exit code (sysexits.h) the program ends with.
enum class ErrorKind : int {
  kNotAchieved = 1,    // ran, goal not reached (pick: not certified)
  kUsage = 64,         // wrong command line
  kBadData = 65,       // malformed input, missing column
  kNoInput = 66,       // input file missing or unreadable
  kUnavailable = 69,   // an upstream service or tool is missing
  kInternal = 70,      // a bug of ours
  kCannotCreate = 73,  // output cannot be created
  kIo = 74,            // read, write or disk-full failure
  kLocked = 75,        // somebody else holds the lock; try again
  kPermission = 77,
  kConfig = 78,
  kCancelled = 130,  // Ctrl-C
};

class Error {
 public:
  Error(ErrorKind kind, std::string what) : kind_(kind), what_(std::move(what)) {}

  static Error usage(std::string what) { return {ErrorKind::kUsage, std::move(what)}; }
  static Error bad_data(std::string what) { return {ErrorKind::kBadData, std::move(what)}; }
  static Error no_input(std::string what) { return {ErrorKind::kNoInput, std::move(what)}; }
  static Error internal(std::string what) { return {ErrorKind::kInternal, std::move(what)}; }
  static Error io(std::string what) { return {ErrorKind::kIo, std::move(what)}; }
  static Error cancelled() { return {ErrorKind::kCancelled, "cancelled"}; }

  // Where it happened: a file, then optionally a line (1-based) and a byte offset (0-based). The innermost caller
  // that knows sets it; later calls do not overwrite.
  Error in(std::string file) && {
    if (file_.empty()) file_ = std::move(file);
    return std::move(*this);
  }
  Error at_line(std::uint64_t line) && {
    if (!line_) line_ = line;
    return std::move(*this);
  }
  Error at_byte(std::uint64_t offset) && {
    if (!offset_) offset_ = offset;
    return std::move(*this);
  }
  // What the user can do about it, an imperative sentence.
  Error hint(std::string text) && {
    if (hint_.empty()) hint_ = std::move(text);
    return std::move(*this);
  }

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }
  const std::string& what() const { return what_; }
  const std::string& file() const { return file_; }
  const std::string& hint() const { return hint_; }
  std::optional<std::uint64_t> line() const { return line_; }
  std::optional<std::uint64_t> offset() const { return offset_; }

  // "file:line: what (byte 17); hint", without the parts that are unknown.
  std::string message() const;

 private:
  ErrorKind kind_;
  std::string what_, file_, hint_;
  std::optional<std::uint64_t> line_, offset_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
struct Ok {};
using Status = Result<Ok>;

[[noreturn]] inline void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "smidgen: internal error: %s is false (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace smidgen

// A broken invariant is a bug: stop at once rather than give a wrong answer. Never for foreign input.
#define SMIDGEN_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::smidgen::check_failed(#expression, __FILE__, __LINE__))

#define SMIDGEN_CONCAT_(a, b) a##b
#define SMIDGEN_CONCAT(a, b) SMIDGEN_CONCAT_(a, b)
// SMIDGEN_ASSIGN(auto x, f()): x = the value of f(), or return its error.
#define SMIDGEN_ASSIGN(declaration, expression) \
  SMIDGEN_ASSIGN_(SMIDGEN_CONCAT(smidgen_result_, __LINE__), declaration, expression)
#define SMIDGEN_ASSIGN_(temporary, declaration, expression) \
  auto temporary = (expression);                            \
  if (!temporary.ok()) return std::move(temporary).error(); \
  declaration = std::move(temporary).value()
// SMIDGEN_TRY(f()): return the error of f(), if any.
#define SMIDGEN_TRY(expression)                                         \
  do {                                                                  \
    auto smidgen_status = (expression);                                 \
    if (!smidgen_status.ok()) return std::move(smidgen_status).error(); \
  } while (false)
