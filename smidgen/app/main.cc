// smidgen: find, train, prove and run the smallest language model that does the job.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <variant>

#include "smidgen/app/app.h"
#include "smidgen/app/command_line.h"
#include "smidgen/app/commands.h"
#include "smidgen/app/read_settings.h"
#include "smidgen/tensor/kernels.h"

namespace {

// One overload per verb.
struct Verbs {
  smidgen::App& app;
  int operator()(const smidgen::PickOptions& options) const { return run_pick(options, app); }
  int operator()(const smidgen::TrainOptions& options) const { return run_train(options, app); }
  int operator()(const smidgen::EvalOptions& options) const { return run_eval(options, app); }
  int operator()(const smidgen::RunOptions& options) const { return run_run(options, app); }
  int operator()(const smidgen::AskOptions& options) const { return run_ask(options, app); }
  int operator()(const smidgen::ShowOptions& options) const { return run_show(options, app); }
  int operator()(const smidgen::PullOptions& options) const { return run_pull(options, app); }
  int operator()(const smidgen::BenchOptions& options) const { return run_bench(options, app); }
  int operator()(const smidgen::PlanOptions& options) const { return run_plan(options, app); }
  int operator()(const smidgen::DoctorOptions& options) const { return run_doctor(options, app); }
};

// Says so without needing memory.
int memory_is_full() {
  constexpr char kMessage[] = "smidgen: out of memory; free some, give fewer --threads, or cut the input\n";
  if (::write(STDERR_FILENO, kMessage, sizeof kMessage - 1) < 0) return 74;
  return 74;
}

// In pieces: a failure here is nobody's to hear of.
void say(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

int system_failed(const std::system_error& error) {
  if (error.code() == std::errc::not_enough_memory) return memory_is_full();
  say("smidgen: ");
  if (error.code() == std::errc::resource_unavailable_try_again)
    say("cannot start a thread; free memory, give fewer --threads, or raise `ulimit -u`");
  else
    say(error.what());  // a std::filesystem::filesystem_error names its paths there
  say("\n");
  return 74;
}

// A thread that cannot get memory has nobody to return an error to.
[[noreturn]] void on_terminate() {
  try {
    if (std::current_exception() != nullptr) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    ::_exit(memory_is_full());
  } catch (const std::system_error& error) {
    ::_exit(system_failed(error));
  } catch (...) {
  }
  std::abort();
}

int run_smidgen(int argc, char** argv) {
  smidgen::App app;
  app.terminal = smidgen::Terminal::detect();
  auto line = smidgen::parse_command_line({argv + 1, argv + argc}, smidgen::read_settings);
  if (!line.ok()) return app.fail(line.error());
  if (line->text) return finish_with(app, *line->text);  // help, version
  app.global = line->global;
  if (app.global.no_color || app.global.plain) app.terminal.no_colour();
  // A forced instruction set that cannot be had is an error, never a silent fallback; the doctor explains it.
  if (const auto kernels = smidgen::kernels_from_environment();
      !kernels.ok() && !std::holds_alternative<smidgen::DoctorOptions>(line->command))
    return app.fail(kernels.error());
  return std::visit(Verbs{app}, line->command);
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(on_terminate);
  smidgen::open_standard_streams();
  smidgen::install_signal_handlers();
  try {
    return run_smidgen(argc, argv);
  } catch (const std::bad_alloc&) {
    return memory_is_full();
  } catch (const std::system_error& error) {
    return system_failed(error);
  }
}
