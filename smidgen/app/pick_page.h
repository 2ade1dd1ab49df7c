// NAME.report.html: the report of a pick as one page that needs nothing else. No network: charts by an embedded
// Chart.js, a content-security-policy that allows exactly the inline scripts and the style written here. Data stands in
// one JSON block with every `<` escaped, and becomes visible through textContent only, so a label such as
// `</script><script>` is shown, never run.
#pragma once

#include <string>

#include "smidgen/learn/pick_report.h"

namespace smidgen {

std::string render_pick_page(const PickReport& report);

// Where the page of a bundle goes: beside it, "tickets.smidgen/" -> "tickets.report.html".
std::string pick_page_path(const std::string& bundle);

}  // namespace smidgen
