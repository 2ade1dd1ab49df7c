#include "smidgen/app/ladder_choice.h"

#include <algorithm>

#include "smidgen/app/models.h"
#include "smidgen/base/file.h"

namespace smidgen {

Result<LadderOptions> ladder_options(const std::vector<std::string>& rungs, const std::string& encoder,
                                     std::size_t tokens_max, const App& app, std::vector<std::string>& notes) {
  const auto wanted = [&](const char* name) {
    return rungs.empty() || std::find(rungs.begin(), rungs.end(), name) != rungs.end();
  };
  LadderOptions options;
  options.linear = wanted("linear");
  options.static_vectors = wanted("static");
  options.encoder = wanted("encoder");
  options.tokens_max = tokens_max;
  options.seed = app.global.seed;
  options.cache_folder = cache_directory() + "/static";
  options.state_folder = state_directory() + "/training";
  if (!options.static_vectors && !options.encoder) return options;
  auto folder = find_encoder(encoder);
  if (folder.ok()) {
    options.encoder_folder = *folder;
    return options;
  }
  if (!rungs.empty() || !encoder.empty()) return std::move(folder).error();
  options.static_vectors = options.encoder = false;
  notes.push_back(
      "No encoder is on this machine, so only the rung `linear` was trained; `smidgen pull all-minilm-l6-v2` "
      "fetches the default one.");
  return options;
}

}  // namespace smidgen
