#include "smidgen/app/app.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "smidgen/app/exit_code.h"
#include "smidgen/app/progress_printer.h"
#include "smidgen/base/thread_pool.h"

namespace smidgen {

namespace {

constexpr char kClosedPipe[] = "standard output was closed";

std::atomic<int> interrupts{0};  // the only thing a signal handler may touch

Error write_failed(int code) {
  Error error = Error::io(std::string("cannot write to standard output: ") + std::strerror(code));
  return code == EBADF ? error : std::move(error).hint("check free space");
}

void on_interrupt(int) {
  if (interrupts.fetch_add(1) > 0) ::_exit(130);
}

}  // namespace

std::size_t App::threads() const {
  return global.threads > 0 ? global.threads : usable_cores();
}

void App::say(std::string_view line) const {
  if (!global.quiet) std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void App::warn(std::string_view line) const {
  const std::string word = terminal.paint_error(Paint::kYellow, "warning:");
  std::fprintf(stderr, "smidgen: %s %.*s\n", word.c_str(), static_cast<int>(line.size()), line.data());
}

int App::fail(const Error& error) const {
  return report_error(error);
}

// A file opened while one of the three is closed would get its number, and what is written there. Each is opened for
// what it is not used for, so that its use fails.
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF)
      if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;  // the lowest free number
}

void install_signal_handlers() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // over `ulimit -f`: a failed write with a message and a clean-up, not a kill
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // no SA_RESTART: a blocked read returns
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  struct sigaction hang_up {};  // `nohup` has it ignored
  if (::sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN)
    ::sigaction(SIGHUP, &action, nullptr);
}

bool interrupted() {
  return interrupts.load() > 0;
}

Watcher make_watcher(App& app) {
  Watcher watcher;
  watcher.cancelled = interrupted;
  if (!app.global.quiet) {
    const bool bar = app.terminal.error_is_tty && !app.global.plain;
    auto printer = std::make_shared<ProgressPrinter>(bar, app.terminal.columns);
    watcher.progress = [printer](const ProgressEvent& event) { printer->show(event); };
  }
  return watcher;
}

Status write_stdout(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) {
      if (interrupted()) return Error::cancelled();
      continue;
    }
    if (put < 0 && errno == EAGAIN) {  // somebody else made it not wait
      pollfd ready = {STDOUT_FILENO, POLLOUT, 0};
      if (::poll(&ready, 1, -1) < 0 && interrupted()) return Error::cancelled();
      continue;
    }
    if (put < 0 && errno == EPIPE) return Error::io(kClosedPipe);
    if (put < 0) return write_failed(errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return Ok{};
}

bool is_closed_pipe(const Error& error) {
  return error.what() == kClosedPipe;
}

int finish_with(const App& app, std::string_view bytes, int exit_code) {
  const Status written = write_stdout(bytes);
  if (written.ok() || is_closed_pipe(written.error())) return exit_code;
  return app.fail(written.error());
}

int finish_with_summary(const App& app, std::string_view bytes, int exit_code) {
  return app.global.quiet ? exit_code : finish_with(app, bytes, exit_code);
}

}  // namespace smidgen
