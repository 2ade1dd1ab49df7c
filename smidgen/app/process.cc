#include "smidgen/app/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "smidgen/app/app.h"
#include "smidgen/base/file.h"

extern char** environ;

namespace smidgen {

Result<ProcessOutcome> run_process(const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int code = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return Error(ErrorKind::kUnavailable, "cannot start " + arguments[0] + ": " + std::strerror(code));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Error::internal(std::string("waitpid: ") + std::strerror(errno));
    if (interrupted()) ::kill(child, SIGTERM);  // of a signal to us alone it knows nothing
  }
  ProcessOutcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (auto text = read_file(log, 64ULL << 20); text.ok())
    outcome.output = text->size() > 4096 ? text->substr(text->size() - 4096) : std::move(*text);
  return outcome;
}

}  // namespace smidgen
