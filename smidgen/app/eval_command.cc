#include "smidgen/app/commands.h"

namespace smidgen {

int run_eval(const EvalOptions&, App& app) {
  return app.fail(Error::internal("this build has no `eval`"));
}

}  // namespace smidgen
