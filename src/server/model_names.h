#pragma once
// Which models this server has, and by what names clients ask for them: those it was started with,
// or whatever the store holds. Names never lead to files by their path. Any thread.

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/api/endpoint.h"
#include "store/store.h"

namespace freehold::server {

class ModelNames {
 public:
  /// Opens the store anew; objects of it belong to one thread.
  using OpenStore = std::function<store::Store()>;
  /// Asked about every model before it is served (licences).
  using Admit = std::function<Status(const std::string& name, const store::FoundModel& found)>;

  ModelNames(io::FileSystem& files, OpenStore open_store, Admit admit)
      : files_(files), open_store_(std::move(open_store)), admit_(std::move(admit)) {}

  /// Serves MODEL (a name, or a path: by its file's name and its general.name). From then on the
  /// store's others are not. The name it has here.
  Result<std::string> add(const std::string& model);

  /// kNotFound for what is not served.
  Result<store::FoundModel> find(const std::string& name) const;
  Result<std::vector<ListedModel>> list() const;

 private:
  struct Given {
    std::vector<std::string> names;  // the first is shown
    store::FoundModel found;
    ListedModel listed;
  };

  io::FileSystem& files_;
  OpenStore open_store_;
  Admit admit_;
  std::vector<Given> given_;
};

}  // namespace freehold::server
