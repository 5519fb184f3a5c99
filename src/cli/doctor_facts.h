// The facts about this machine that `tacet doctor` shows. They are read and measured here, and judged in doctor_advice.h.
#pragma once

#include <string>
#include <vector>

#include "cli/versions.h"
#include "machine/network.h"
#include "machine/traffic.h"

namespace tacet {

// A kind of kernel and the path that it takes.
struct PathTaken {
  std::string kernel;   // "products", "convolutions", …
  std::string path;     // "onednn", "libtorch", …
  std::string refused;  // the finding against a faster path; empty where that is taken
};

struct FoundData {
  std::string name;
  std::string place;  // a folder, or "part of tacet"; empty: not found
};

// The disk behind a folder, or behind the nearest one above that is there.
struct DiskRoom {
  std::string use;  // "runs", "data"
  std::string folder;
  double free = 0, total = 0;  // bytes
  bool writable = false;
};

struct DoctorFacts {
  Versions versions;
  int cores = 1;  // that this process may use
  std::vector<PathTaken> paths;
  bool bf16 = false;                // run.dtype = "bf16" works
  std::string wrong;                // kernels of which no path is right; empty: none
  std::vector<std::string> openmp;  // runtimes
  Memory memory;
  Traffic memory_speed;
  LoopbackTraffic loopback;
  std::vector<NetworkInterface> interfaces;
  HostName host;
  std::string address;  // this machine's own on the way to others; empty: there is no way
  std::string data_folder;
  std::vector<FoundData> data;
  std::vector<DiskRoom> disks;
};

// Reads and measures all of it, in about two seconds.
DoctorFacts examine_machine();

}  // namespace tacet
