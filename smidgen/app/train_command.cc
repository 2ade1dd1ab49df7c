#include "smidgen/app/commands.h"

namespace smidgen {

int run_train(const TrainOptions&, App& app) {
  return app.fail(Error::internal("this build has no `train`"));
}

}  // namespace smidgen
