// The verbs. Each takes what its command line said, prints through the App, and returns the exit code.
#pragma once

#include "smidgen/app/app.h"
#include "smidgen/app/options.h"

namespace smidgen {

int run_pick(const PickOptions& options, App& app);
int run_train(const TrainOptions& options, App& app);
int run_train_questions(const TrainOptions& options, App& app);  // its --task question-answering
int run_train_tags(const TrainOptions& options, App& app);       // its --task token-classification
int run_eval(const EvalOptions& options, App& app);
int run_run(const RunOptions& options, App& app);
int run_ask(const AskOptions& options, App& app);
int run_show(const ShowOptions& options, App& app);
int run_pull(const PullOptions& options, App& app);
int run_bench(const BenchOptions& options, App& app);
int run_plan(const PlanOptions& options, App& app);
int run_doctor(const DoctorOptions& options, App& app);

}  // namespace smidgen
