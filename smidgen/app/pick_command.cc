#include "smidgen/app/commands.h"

namespace smidgen {

int run_pick(const PickOptions&, App& app) {
  return app.fail(Error::internal("this build has no `pick`"));
}

}  // namespace smidgen
