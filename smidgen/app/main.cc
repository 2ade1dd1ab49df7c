// smidgen: find, train, prove and run the smallest language model that does the job.
#include <variant>

#include "smidgen/app/app.h"
#include "smidgen/app/command_line.h"
#include "smidgen/app/commands.h"
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
  int operator()(const smidgen::DoctorOptions& options) const { return run_doctor(options, app); }
};

}  // namespace

int main(int argc, char** argv) {
  smidgen::install_signal_handlers();
  smidgen::App app;
  app.terminal = smidgen::Terminal::detect();
  auto line = smidgen::parse_command_line({argv + 1, argv + argc});
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
