// `pick --json`: the whole report as one JSON document. The HTML page reads the same document.
#pragma once

#include <string>

#include "smidgen/learn/pick_report.h"

namespace smidgen {

// Keys in this order: certified bundle data split rungs policy coverage certificate, then asked refusal cost notes and
// the rest (docs/pick_json.md). Numbers are exact, not rounded; what is unknown is null. Always valid UTF-8, one line.
std::string pick_json(const PickReport& report);
// A sentence on how often these rows were asked before; empty for the first time.
std::string note_of_attempts(const PickReport& report);

}  // namespace smidgen
