#include <cstdio>

int main() {
  std::puts("smidgen");
  return 0;
}
