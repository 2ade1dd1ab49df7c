// App: what every verb is given: the global options, the terminal, and whether the user pressed Ctrl-C.
//
// Streams: data goes to standard output, everything said about it to standard error.
#pragma once

#include <string>
#include <string_view>

#include "smidgen/app/options.h"
#include "smidgen/app/terminal.h"
#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"

namespace smidgen {

struct App {
  GlobalOptions global;
  Terminal terminal;

  std::size_t threads() const;             // --threads, else all usable cores
  void say(std::string_view line) const;   // a line on standard error, unless --quiet
  void warn(std::string_view line) const;  // the same with "warning: ", even with --quiet
  int fail(const Error& error) const;      // prints the error, returns its exit code
};

// Standard streams that were closed are opened, so that no file gets the number of one. Call before any file is opened.
void open_standard_streams();

// Closed pipes become write errors (EPIPE); the first Ctrl-C (or SIGTERM, SIGHUP) sets a flag, the second ends the
// program with 130 at once. Call once, before any thread.
void install_signal_handlers();
bool interrupted();

// Progress on standard error (a bar on a terminal, else a line every 10 s; nothing with --quiet) and Ctrl-C as
// cancellation: what long-running functions take. The bar is cleared when the last copy of the watcher goes.
Watcher make_watcher(App& app);

// Writes all of `bytes` to standard output. A closed pipe is kClosedPipe, a full disk Error::io.
Status write_stdout(std::string_view bytes);
// True for the error of a closed pipe: the reader has seen enough; end quietly with exit code 0.
bool is_closed_pipe(const Error& error);
// write_stdout for a verb's whole answer: returns the exit code.
int finish_with(const App& app, std::string_view bytes, int exit_code = 0);
// The same for what is said of files that were written: nothing with --quiet.
int finish_with_summary(const App& app, std::string_view bytes, int exit_code = 0);

}  // namespace smidgen
