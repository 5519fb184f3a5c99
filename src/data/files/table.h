// Tables: comma- or tab-separated files whose first record titles the columns. The callers interpret the fields.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tacet {

// A column that is wanted.
struct TableColumn {
  std::string title, key;  // key: the option that gives the title
};

// Calls f(fields, number) for every row below the header, with the fields of the wanted columns and the row's first line.
// Files named *.csv and *.csv.gz are comma-separated, others tab-separated. Blanks around titles do not count. Throws
// UserError with file and line where the header lacks a column or has it twice, where a row has not as many fields as
// the header, and where the header stands again.
void for_each_row(const std::string& path, const std::vector<TableColumn>& columns,
                  const std::function<void(const std::vector<std::string>& fields, int64_t number)>& f);

}  // namespace tacet
