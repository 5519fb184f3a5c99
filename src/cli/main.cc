// The program tacet: the command with the methods, models and data sets that come with it.
#include "tacet/command.h"

int main(int argc, char** argv) { return tacet::command(argc, argv); }
