// Stand-ins of data sets that are not here: a recipe that is right for the real set is right for its stand-in.
#include "data/catalog/stand_in.h"

#include <gtest/gtest.h>

#include "data/clients/partition.h"
#include "data/images/images.h"
#include "data/text/labelled_text.h"
#include "data/text/parallel_text.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct StandInFiles : testing::Test {
  test::TempFolder folder;
  Values written(const std::string& name, const test::Given& given, int clients) {
    return write_stand_in(test::row_values(find_dataset(name), given), clients, 0, folder.path());
  }
};

std::vector<int32_t> narrow(const std::vector<int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }

// 10,000 of 50,000 images are a fifth, and of the stand-in's 10,000 images too. It held all of them out.
TEST_F(StandInFiles, HoldTheSamePartOut) {
  const auto set = load_images(written("cifar-10", {{"valid", int64_t{10'000}}}, 4));
  EXPECT_EQ(set->valid.size(), 2000);
  EXPECT_EQ(set->train.size(), 8000);
}

// Half of 100,000 pictures are held out. 2,000 clients get four each of the other half: 16,000 pictures in all, not 5,000.
TEST_F(StandInFiles, HavePicturesForEveryClientBesideThoseHeldOut) {
  const auto set = load_images(written("tiny-imagenet", {{"valid", int64_t{50'000}}}, 2000));
  EXPECT_EQ(set->valid.size(), 8000);
  EXPECT_EQ(set->train.size(), 8000);
}

// 30 shards of each of 1,000 clients are 30,000, more than 20,000 images. Twice as many would be the real set's 60,000.
TEST_F(StandInFiles, HaveImagesForEveryShard) {
  const Values data =
      written("mnist", {{"partition.kind", std::string("classes")}, {"partition.classes", int64_t{30}}}, 1000);
  const auto set = load_images(data);
  EXPECT_EQ(set->train.size(), 60'000);
  EXPECT_EQ(partition(partition_options(data), set->train.labels, {}, 1000).size(), 1000u);
}

// No more than there are: 70,000 clients can't share 60,000 images.
TEST_F(StandInFiles, RefuseMoreClientsThanImages) {
  const Values data = written("mnist", {}, 70'000);
  const auto set = load_images(data);
  test::expect_mentions(test::error_of([&] { partition(partition_options(data), set->train.labels, {}, 70'000); }),
                        {"clients.count must be <= the 60000 training samples"});
}

// There were 1,000 users and each word stood 140 times; a row in 50,000 would have left no validation texts, and every
// second one training texts of one class.
TEST_F(StandInFiles, HaveUsersWordsAndClassesOfTweets) {
  for (const int64_t every : {50'000, 2}) {
    const test::TempFolder other;
    const Values data = write_stand_in(
        test::row_values(find_dataset("sentiment140"),
                         {{"partition.kind", std::string("users")}, {"min_count", int64_t{1000}}, {"valid_every", every}}),
        2000, 0, other.path());
    const LabelledText set = load_labelled_text(data);
    EXPECT_GT(set.words.size(), 1000u);
    EXPECT_GT(set.valid.size(), 0);
    EXPECT_EQ(partition(partition_options(data), narrow(set.train.labels), narrow(set.train.users), 2000).size(), 2000u);
  }
}

// Sentences of 14 pieces were all left out.
TEST_F(StandInFiles, HaveSentencesOfTheLengthThatIsKept) {
  const test::Given given = {{"max_length", int64_t{5}}, {"pieces", int64_t{100}}};
  EXPECT_EQ(load_parallel_text(written("multi30k", given, 2)).train.size(), 4000);
}

}  // namespace
}  // namespace tacet
