#include "smidgen/model/checkpoint.h"

#include <filesystem>

namespace smidgen {

namespace {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

}  // namespace

Result<Safetensors> open_checkpoint(const std::string& folder) {
  const std::string path = folder + "/model.safetensors";
  if (exists(path)) return Safetensors::open(path);
  const Error missing = Error::no_input("no model.safetensors").in(folder);
  if (exists(folder + "/model.safetensors.index.json"))
    return Error(missing).hint("the weights are in several files: save the model again as one model.safetensors");
  if (exists(folder + "/pytorch_model.bin"))
    return Error(missing).hint(
        "pytorch_model.bin is a pickle, which this program never reads: convert it with transformers, "
        "AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER, safe_serialization=True)");
  return Error(missing).hint("give the folder of a Hugging Face model");
}

}  // namespace smidgen
