// See table.h.
#include "data/files/table.h"

#include <algorithm>

#include "base/utf8.h"
#include "data/files/lines.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns where the column stands.
size_t place_of(const TableColumn& column, const std::vector<std::string>& titles, const std::string& where) {
  const auto is_it = [&](const std::string& title) { return trimmed(title) == trimmed(column.title); };
  const auto found = std::find_if(titles.begin(), titles.end(), is_it);
  const std::string wanted = in_quotes(column.title) + " (" + column.key + ")";
  if (found == titles.end())
    throw UserError(where + "the header must have the column " + wanted + ", got " + in_quotes(titles));
  if (std::find_if(found + 1, titles.end(), is_it) != titles.end())
    throw UserError(where + "the header must have the column " + wanted + " once, got " + in_quotes(titles));
  return static_cast<size_t>(found - titles.begin());
}

}  // namespace

void for_each_row(const std::string& path, const std::vector<TableColumn>& columns,
                  const std::function<void(const std::vector<std::string>&, int64_t)>& f) {
  const bool commas = path.ends_with(".csv") || path.ends_with(".csv.gz");
  std::vector<std::string> titles;
  std::vector<size_t> places;
  std::vector<std::string> chosen(columns.size());
  for_each_record(path, commas ? ',' : '\t', [&](const std::vector<std::string>& fields, int64_t number) {
    const std::string where = path + ":" + std::to_string(number) + ": ";
    const size_t width = titles.size();
    if (width == 0) {
      titles = fields;
      for (const TableColumn& column : columns) places.push_back(place_of(column, fields, where));
      return;
    }
    if (fields.size() != width)
      throw UserError(
          where + "must have " + std::to_string(width) + " fields, as the header, got " + std::to_string(fields.size()) +
          (fields.size() < width
               ? ""
               : std::string("; a field that holds a ") + (commas ? "comma" : "tab") + " must stand in double quotes"));
    if (fields == titles && width > 1)
      throw UserError(where + "must be a row, is the header again, as in files that were put together with their headers");
    for (size_t k = 0; k < places.size(); ++k) chosen[k] = fields[places[k]];
    f(chosen, number);
  });
}

}  // namespace tacet
