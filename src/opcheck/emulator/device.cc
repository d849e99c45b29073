// An emulated accelerator: a TensorFlow "pluggable device" whose memory is ordinary host memory and
// whose kernels are TensorFlow's own CPU kernels. It has exactly the kernels of one plugin version
// (tensorflow-metal 1.2.0, say), so TensorFlow's placer, Grappler and executor treat a step here as
// they would on the real machine, and the step computes correct numbers.
//
// How a pluggable device works. TensorFlow loads a shared library (load_pluggable_device_library)
// and calls up to three functions in it:
//
//   SE_InitPlugin  describes the device: its type ("GPU"), its platform ("METAL"), and tables of C
//                  functions to allocate memory, copy it and order work on "streams". Ours are
//                  malloc and memcpy, done at once: a stream never has anything left to wait for.
//   TF_InitGraph   says which of Grappler's optimizers the plugin switches off, and may register a
//                  graph optimizer of its own. Ours changes nothing.
//   TF_InitKernel  registers kernels: for an op, a device type and type constraints, a factory that
//                  makes the object that computes. The registrations alone decide where the placer
//                  puts an op. Our factory makes the CPU kernel for the same node and forwards to
//                  it; where the CPU has none, or one that refuses what accelerators do, it gives
//                  zeros of the shape that the op's shape function tells.
//
// What to be is told by a text file, written by registry_file.py, whose path is in the environment
// variable OPCHECK_EMULATOR_REGISTRY. One line each:
//
//   platform METAL
//   device GPU
//   optimizer layout_optimizer off
//   drop KERNEL      a kernel that the running TensorFlow has and the target has not
//   add KERNEL       a kernel that the target has and the running TensorFlow has not
//
// KERNEL is `OP DEVICE PRIORITY LABEL CONSTRAINTS HOST_ARGUMENTS`, such as
// `ArgMax GPU 0 - T=float,half;Tidx=int32 dimension`, with `-` for nothing.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "tensorflow/c/experimental/grappler/grappler.h"
#include "tensorflow/c/experimental/stream_executor/stream_executor.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/core/common_runtime/pluggable_device/pluggable_device_context.h"
#include "tensorflow/core/common_runtime/pluggable_device/pluggable_device_factory.h"
#include "tensorflow/core/framework/kernel_def.pb.h"
#include "tensorflow/core/framework/kernel_def_builder.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/framework/types.h"

// ---- The registry file --------------------------------------------------------------------------

namespace {

using Words = std::vector<std::string>;

Words Split(const std::string& text, char separator) {
  Words words;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

std::string Join(const Words& words, char separator) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += (i > 0 ? std::string(1, separator) : "") + words[i];
  return text.empty() ? "-" : text;
}

struct Registry {
  std::string platform, device;
  int devices = 1;
  std::vector<std::pair<std::string, TF_TriState>> optimizers;
  std::set<std::string> drop;
  std::vector<Words> add;
};

// What TensorFlow gets instead of an error, at which it would abort: a platform without a device.
Registry Wrong(const std::string& message) {
  std::fprintf(stderr, "opcheck-emulator: %s\n", message.c_str());
  Registry registry;
  registry.platform = "NONE";
  registry.device = "GPU";
  registry.devices = 0;
  return registry;
}

Registry ReadRegistry() {
  Registry registry;
  const char* path = std::getenv("OPCHECK_EMULATOR_REGISTRY");
  std::ifstream file(path ? path : "");
  if (!file) return Wrong("OPCHECK_EMULATOR_REGISTRY names no readable file");
  for (std::string line; std::getline(file, line);) {
    const Words words = Split(line, ' ');
    if (words.size() == 2 && words[0] == "platform") {
      registry.platform = words[1];
    } else if (words.size() == 2 && words[0] == "device") {
      registry.device = words[1];
    } else if (words.size() == 3 && words[0] == "optimizer") {
      registry.optimizers.emplace_back(
          words[1], words[2] == "off" ? TF_TriState_Off : TF_TriState_On);
    } else if (words.size() == 7 && words[0] == "drop") {
      registry.drop.insert(line.substr(5));
    } else if (words.size() == 7 && words[0] == "add") {
      registry.add.emplace_back(words.begin() + 1, words.end());
    } else if (!line.empty()) {
      return Wrong("not a line of a registry: " + line);
    }
  }
  if (registry.platform.empty() || registry.device.empty()) {
    return Wrong(std::string(path) + " names no platform or no device");
  }
  return registry;
}

const Registry& TheRegistry() {
  static const Registry* registry = new Registry(ReadRegistry());
  return *registry;
}

}  // namespace

// ---- Kernels ------------------------------------------------------------------------------------

namespace tensorflow {

// The kernel registry of op_kernel.cc, which no header declares: taking kernels out of it is not
// foreseen. Its layout is the same from TensorFlow 2.10 to 2.21; TF_InitKernel checks that it holds
// what TensorFlow itself says it holds before it changes anything.
struct KernelRegistration {
  const KernelDef def;
  const std::string kernel_class_name;
  std::unique_ptr<kernel_factory::OpKernelFactory> factory;
};
struct KernelRegistry {
  mutex mu;
  std::unordered_multimap<std::string, KernelRegistration> registry;
};
void* GlobalKernelRegistry();

namespace {

constexpr char kClassName[] = "OpcheckEmulated";

// For what the CPU cannot compute: outputs of the right shape, all zero (empty where the shape
// depends on the data). An op that only updates a variable leaves it as it is.
void GiveZeros(const OpKernel& kernel, int graph_def_version, OpKernelContext* context) {
  const OpRegistrationData* op = nullptr;
  OP_REQUIRES_OK(context, OpRegistry::Global()->LookUp(kernel.type_string(), &op));
  OP_REQUIRES(context, op->shape_inference_fn != nullptr,
              errors::Unimplemented(kernel.type_string(), " has no shape function"));
  std::vector<PartialTensorShape> shapes;
  std::vector<Tensor> inputs(context->num_inputs());
  std::vector<const Tensor*> values;
  for (int i = 0; i < context->num_inputs(); ++i) {
    inputs[i] = context->input_is_ref(i) ? context->mutable_input(i, false) : context->input(i);
    shapes.push_back(inputs[i].shape());
    values.push_back(&inputs[i]);
  }
  shape_inference::InferenceContext inference(graph_def_version, AttrSlice(kernel.def()),
                                              op->op_def, shapes, values, {}, {});
  OP_REQUIRES_OK(context, inference.construction_status());
  OP_REQUIRES_OK(context, inference.Run(op->shape_inference_fn));
  for (int i = 0; i < context->num_outputs(); ++i) {
    if (IsRefType(kernel.output_type(i))) {
      context->forward_ref_input_to_ref_output(0, i);
      continue;
    }
    TensorShape shape;
    shape_inference::ShapeHandle handle = inference.output(i);
    for (int d = 0; d < (inference.RankKnown(handle) ? inference.Rank(handle) : 1); ++d) {
      const int64_t size =
          inference.RankKnown(handle) ? inference.Value(inference.Dim(handle, d)) : 0;
      shape.AddDim(std::max<int64_t>(size, 0));  // -1: unknown
    }
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(i, shape, &output));
    if (DataTypeCanUseMemcpy(output->dtype())) {
      std::memset(const_cast<char*>(output->tensor_data().data()), 0, output->TotalBytes());
    }
  }
}

void ReportZeros(const OpKernel& kernel) {
  std::fprintf(stderr, "opcheck-emulator: zeros for %s (%s)\n", kernel.name().c_str(),
               kernel.type_string().c_str());
}

class Zeros : public OpKernel {
 public:
  explicit Zeros(OpKernelConstruction* context)
      : OpKernel(context), graph_def_version_(context->graph_def_version()) {
    ReportZeros(*this);
  }
  void Compute(OpKernelContext* context) override {
    GiveZeros(*this, graph_def_version_, context);
  }

 private:
  const int graph_def_version_;
};

// Calls the CPU kernel. The context stays the accelerator's, so the tensors it allocates are in
// "device" memory, which a CPU kernel can read and write because it is host memory.
class Emulated : public OpKernel {
 public:
  Emulated(OpKernelConstruction* context, std::unique_ptr<OpKernel> kernel)
      : OpKernel(context), kernel_(std::move(kernel)) {}
  void Compute(OpKernelContext* context) override { kernel_->Compute(context); }
  bool IsExpensive() override { return kernel_->IsExpensive(); }

 private:
  std::unique_ptr<OpKernel> kernel_;
};

class EmulatedAsync : public AsyncOpKernel {
 public:
  EmulatedAsync(OpKernelConstruction* context, std::unique_ptr<OpKernel> kernel)
      : AsyncOpKernel(context), kernel_(std::move(kernel)) {}
  void ComputeAsync(OpKernelContext* context, DoneCallback done) override {
    kernel_->AsAsync()->ComputeAsync(context, std::move(done));
  }

 private:
  std::unique_ptr<OpKernel> kernel_;
};

// The gradients of Conv2D: those of a grouped convolution, which only the shapes tell, are refused
// by the CPU kernels.
class EmulatedConvGradient : public Emulated {
 public:
  EmulatedConvGradient(OpKernelConstruction* context, std::unique_ptr<OpKernel> kernel)
      : Emulated(context, std::move(kernel)), graph_def_version_(context->graph_def_version()) {}

  void Compute(OpKernelContext* context) override {
    if (!IsGrouped(context)) return Emulated::Compute(context);
    if (!reported_.exchange(true)) ReportZeros(*this);
    GiveZeros(*this, graph_def_version_, context);
  }

 private:
  bool IsGrouped(OpKernelContext* context) const {
    const bool for_filter = type_string() == "Conv2DBackpropFilter";
    const Tensor& sizes = context->input(for_filter ? 1 : 0);
    const Tensor& other = context->input(for_filter ? 0 : 1);
    if (sizes.dtype() != DT_INT32 || sizes.NumElements() != 4 || other.dims() != 4) return false;
    const int32_t* size = sizes.flat<int32_t>().data();
    return for_filter ? other.dim_size(3) != size[2] : size[3] != other.dim_size(2);
  }

  const int graph_def_version_;
  std::atomic<bool> reported_{false};
};

// Whether the CPU's kernel refuses a node that an accelerator's computes: channels-first pixels, or
// dilations anywhere but in Conv2D itself. (conv_ops.cc, conv_grad_*_ops.cc, conv_ops_3d.cc,
// depthwise_conv_op.cc, maxpooling_op.cc, avgpooling_op.cc, pooling_ops_3d.cc)
bool CpuRefuses(const NodeDef& node) {
  const std::string& op = node.op();
  if (!absl::StrContains(op, "Conv") && !absl::StrContains(op, "Pool")) return false;
  std::string format;
  if (TryGetNodeAttr(node, "data_format", &format) && absl::StartsWith(format, "NC")) return true;
  std::vector<int64_t> dilations;
  return !absl::EndsWith(op, "Conv2D") && TryGetNodeAttr(node, "dilations", &dilations) &&
         std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d > 1; });
}

class Factory : public kernel_factory::OpKernelFactory {
 public:
  OpKernel* Create(OpKernelConstruction* context) override {
    const DeviceType cpu(DEVICE_CPU);
    const KernelDef* definition = nullptr;
    std::string class_name;
    // Our own DEFAULT kernels would serve the CPU as well: they are no implementation. Nor is the
    // NoOp that stands for a kernel which oneDNN brings when it rewrites the CPU's graph.
    if (!FindKernelDef(cpu, context->def(), &definition, &class_name).ok() ||
        class_name == kClassName || (class_name == "NoOp" && context->num_outputs() > 0) ||
        CpuRefuses(context->def())) {
      return new Zeros(context);
    }
    std::shared_ptr<const NodeProperties> properties;
    auto status =
        NodeProperties::CreateFromNodeDef(context->def(), OpRegistry::Global(), &properties);
    OpKernel* kernel = nullptr;
    if (status.ok()) {
      DeviceBase* device = static_cast<DeviceBase*>(context->device());
      status = CreateOpKernel(cpu, device, device->GetAllocator(AllocatorAttributes()),
                              context->function_library(), context->resource_manager(), properties,
                              context->graph_def_version(), &kernel);
    }
    if (!status.ok()) {
      // Made by Grappler, so it can be computed; the CPU fuses less.
      if (absl::StartsWith(context->def().op(), "_Fused")) return new Zeros(context);
      context->CtxFailure(status);
      return nullptr;
    }
    std::unique_ptr<OpKernel> owned(kernel);
    if (owned->AsAsync() != nullptr) return new EmulatedAsync(context, std::move(owned));
    if (absl::StartsWith(context->def().op(), "Conv2DBackprop")) {
      return new EmulatedConvGradient(context, std::move(owned));
    }
    return new Emulated(context, std::move(owned));
  }
};

// A registration as a line of the registry file writes it.
std::string Describe(const KernelDef& kernel) {
  Words constraints;
  for (const auto& constraint : kernel.constraint()) {
    const auto& list = constraint.allowed_values().list();
    Words values;
    for (int type : list.type()) values.push_back(DataTypeString(static_cast<DataType>(type)));
    for (const auto& text : list.s()) values.push_back(text);
    for (const auto number : list.i()) values.push_back(std::to_string(number));
    for (const bool flag : list.b()) values.push_back(flag ? "true" : "false");
    std::sort(values.begin(), values.end());
    constraints.push_back(constraint.name() + "=" + Join(values, ','));
  }
  std::sort(constraints.begin(), constraints.end());
  Words host(kernel.host_memory_arg().begin(), kernel.host_memory_arg().end());
  std::sort(host.begin(), host.end());
  return Join({kernel.op(), kernel.device_type(), std::to_string(kernel.priority()),
               kernel.label().empty() ? "-" : kernel.label(), Join(constraints, ';'),
               Join(host, ',')},
              ' ');
}

// Whether the layout that this file assumes for TensorFlow's kernel registry is the true one.
bool LayoutIsKnown(KernelRegistry* kernels) {
  const auto truth = GetAllRegisteredKernels();
  if (kernels->registry.size() != static_cast<size_t>(truth.kernel_size())) return false;
  const auto& first = *kernels->registry.begin();
  return first.first == first.second.def.op() + ":" + first.second.def.device_type() + ":" +
                            first.second.def.label();
}

void Drop(const std::set<std::string>& unwanted) {
  auto* kernels = static_cast<KernelRegistry*>(GlobalKernelRegistry());
  if (!LayoutIsKnown(kernels)) {
    std::fprintf(stderr, "opcheck-emulator: this TensorFlow keeps its kernels in another way\n");
    return;  // load.py sees that the kernels are still there
  }
  mutex_lock lock(kernels->mu);
  for (auto it = kernels->registry.begin(); it != kernels->registry.end();) {
    it = unwanted.count(Describe(it->second.def)) ? kernels->registry.erase(it) : std::next(it);
  }
}

void Add(const Words& words) {
  KernelDefBuilder builder(words[0].c_str());
  builder.Device(words[1].c_str()).Priority(std::stoi(words[2]));
  if (words[3] != "-") builder.Label(words[3].c_str());
  for (const std::string& constraint : words[4] == "-" ? Words() : Split(words[4], ';')) {
    const size_t equals = constraint.find('=');
    std::vector<DataType> types;
    for (const std::string& name : Split(constraint.substr(equals + 1), ',')) {
      DataType type;
      if (DataTypeFromString(name, &type)) types.push_back(type);
    }
    builder.TypeConstraint(constraint.substr(0, equals).c_str(), types);
  }
  for (const std::string& argument : words[5] == "-" ? Words() : Split(words[5], ',')) {
    builder.HostMemory(argument.c_str());
  }
  kernel_factory::OpKernelRegistrar(builder.Build(), kClassName, std::make_unique<Factory>());
}

// ---- Copies between the host and the device -----------------------------------------------------

// Made at once, by the thread that asks; of a whole tensor both sides share the buffer, as ops on one
// device do. TensorFlow's own copies wait for the stream and hand what follows to another thread:
// loops with ops on both sides, which make thousands of copies, took three times as long.
class CopyAtOnce : public PluggableDeviceContext {
 public:
  explicit CopyAtOnce(const PluggableDeviceContext& of)
      : PluggableDeviceContext(of.stream_id(), of.stream(), of.host_to_device_stream(),
                               of.device_to_host_stream(), {of.device_to_device_stream(0)}) {}

  void CopyCPUTensorToDevice(const Tensor* from, Device*, Tensor* to, StatusCallback done,
                             bool) const override {
    Copy(*from, to, done);
  }
  void CopyDeviceTensorToCPU(const Tensor* from, absl::string_view, Device*, Tensor* to,
                             StatusCallback done) override {
    Copy(*from, to, done);
  }

 private:
  static void Copy(const Tensor& from, Tensor* to, const StatusCallback& done) {
    if (to->RefCountIsOne()) {
      *to = from;
    } else if (from.TotalBytes() > 0) {
      std::memcpy(to->data(), from.data(), from.TotalBytes());
    }
    done({});
  }
};

// Makes the devices as TensorFlow does, and gives them these copies.
class DevicesThatCopyAtOnce : public PluggableDeviceFactory {
 public:
  using PluggableDeviceFactory::PluggableDeviceFactory;

  Status CreateDevices(const SessionOptions& options, const std::string& name_prefix,
                       std::vector<std::unique_ptr<Device>>* devices) override {
    const size_t before = devices->size();
    TF_RETURN_IF_ERROR(PluggableDeviceFactory::CreateDevices(options, name_prefix, devices));
    for (size_t i = before; i < devices->size(); ++i) {
      auto* info = const_cast<DeviceBase::AcceleratorDeviceInfo*>(
          (*devices)[i]->tensorflow_accelerator_device_info());
      // Never freed, as its device in a process of TensorFlow's.
      info->default_context =
          new CopyAtOnce(*static_cast<PluggableDeviceContext*>(info->default_context));
    }
    return {};
  }
};

}  // namespace
}  // namespace tensorflow

// ---- The device: host memory, and streams that are always done ----------------------------------

namespace {

template <typename Handle>
void NewHandle(const SP_Device*, Handle* handle, TF_Status*) {
  *handle = reinterpret_cast<Handle>(new char);
}
template <typename Handle>
void DeleteHandle(const SP_Device*, Handle handle) {
  delete reinterpret_cast<char*>(handle);
}

void Allocate(const SP_Device*, uint64_t size, int64_t, SP_DeviceMemoryBase* memory) {
  memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
  const uint64_t aligned = (size + 63) / 64 * 64;  // Eigen wants 64 bytes
  memory->opaque = std::aligned_alloc(64, aligned > 0 ? aligned : 64);
  memory->size = memory->opaque != nullptr ? size : 0;
}
void Deallocate(const SP_Device*, SP_DeviceMemoryBase* memory) {
  std::free(memory->opaque);
  memory->opaque = nullptr;
  memory->size = 0;
}
void* HostAllocate(const SP_Device*, uint64_t size) {
  return std::aligned_alloc(64, (size + 64) / 64 * 64);
}
void HostDeallocate(const SP_Device*, void* memory) { std::free(memory); }

void FillStreamExecutor(const SP_Platform*, SE_CreateStreamExecutorParams* params, TF_Status*) {
  SP_StreamExecutor* fns = params->stream_executor;
  fns->struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE;
  fns->allocate = Allocate;
  fns->deallocate = Deallocate;
  fns->host_memory_allocate = HostAllocate;
  fns->host_memory_deallocate = HostDeallocate;
  fns->unified_memory_allocate = HostAllocate;
  fns->unified_memory_deallocate = HostDeallocate;
  fns->get_allocator_stats = [](const SP_Device*, SP_AllocatorStats*) -> TF_Bool { return 0; };
  fns->device_memory_usage = [](const SP_Device*, int64_t* free, int64_t* total) -> TF_Bool {
    *free = *total = int64_t{16} << 30;
    return 1;
  };
  fns->create_stream = NewHandle<SP_Stream>;
  fns->destroy_stream = DeleteHandle<SP_Stream>;
  fns->create_stream_dependency = [](const SP_Device*, SP_Stream, SP_Stream, TF_Status*) {};
  fns->get_stream_status = [](const SP_Device*, SP_Stream, TF_Status*) {};
  fns->create_event = NewHandle<SP_Event>;
  fns->destroy_event = DeleteHandle<SP_Event>;
  fns->get_event_status = [](const SP_Device*, SP_Event) { return SE_EVENT_COMPLETE; };
  fns->record_event = [](const SP_Device*, SP_Stream, SP_Event, TF_Status*) {};
  fns->wait_for_event = [](const SP_Device*, SP_Stream, SP_Event, TF_Status*) {};
  fns->create_timer = NewHandle<SP_Timer>;
  fns->destroy_timer = DeleteHandle<SP_Timer>;
  fns->start_timer = [](const SP_Device*, SP_Stream, SP_Timer, TF_Status*) {};
  fns->stop_timer = [](const SP_Device*, SP_Stream, SP_Timer, TF_Status*) {};
  fns->memcpy_dtoh = [](const SP_Device*, SP_Stream, void* to, const SP_DeviceMemoryBase* from,
                        uint64_t size, TF_Status*) { std::memcpy(to, from->opaque, size); };
  fns->memcpy_htod = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* to, const void* from,
                        uint64_t size, TF_Status*) { std::memcpy(to->opaque, from, size); };
  fns->memcpy_dtod = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* to,
                        const SP_DeviceMemoryBase* from, uint64_t size,
                        TF_Status*) { std::memmove(to->opaque, from->opaque, size); };
  fns->sync_memcpy_dtoh = [](const SP_Device*, void* to, const SP_DeviceMemoryBase* from,
                             uint64_t size, TF_Status*) { std::memcpy(to, from->opaque, size); };
  fns->sync_memcpy_htod = [](const SP_Device*, SP_DeviceMemoryBase* to, const void* from,
                             uint64_t size, TF_Status*) { std::memcpy(to->opaque, from, size); };
  fns->sync_memcpy_dtod = [](const SP_Device*, SP_DeviceMemoryBase* to,
                             const SP_DeviceMemoryBase* from, uint64_t size,
                             TF_Status*) { std::memmove(to->opaque, from->opaque, size); };
  fns->block_host_for_event = [](const SP_Device*, SP_Event, TF_Status*) {};
  fns->block_host_until_done = [](const SP_Device*, SP_Stream, TF_Status*) {};
  fns->synchronize_all_activity = [](const SP_Device*, TF_Status*) {};
  fns->mem_zero = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* to, uint64_t size,
                     TF_Status*) { std::memset(to->opaque, 0, size); };
  fns->memset = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* to, uint8_t pattern,
                   uint64_t size, TF_Status*) { std::memset(to->opaque, pattern, size); };
  fns->memset32 = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* to, uint32_t pattern,
                     uint64_t size, TF_Status*) {
    std::fill_n(static_cast<uint32_t*>(to->opaque), size / sizeof(pattern), pattern);
  };
  fns->host_callback = [](const SP_Device*, SP_Stream, SE_StatusCallbackFn callback,
                          void* argument) -> TF_Bool {
    TF_Status* status = TF_NewStatus();
    callback(argument, status);
    const bool ok = TF_GetCode(status) == TF_OK;
    TF_DeleteStatus(status);
    return ok;
  };
}

}  // namespace

// ---- What TensorFlow calls ----------------------------------------------------------------------

extern "C" {

void SE_InitPlugin(SE_PlatformRegistrationParams* params, TF_Status*) {
  const Registry& registry = TheRegistry();
  params->struct_size = SE_PLATFORM_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->destroy_platform = [](SP_Platform*) {};
  params->destroy_platform_fns = [](SP_PlatformFns*) {};

  SP_Platform* platform = params->platform;
  platform->struct_size = SP_PLATFORM_STRUCT_SIZE;
  platform->name = registry.platform.c_str();
  platform->type = registry.device.c_str();
  platform->supports_unified_memory = false;
  platform->use_bfc_allocator = false;  // one malloc a tensor, so that memory checkers see them

  SP_PlatformFns* fns = params->platform_fns;
  fns->struct_size = SP_PLATFORM_FNS_STRUCT_SIZE;
  fns->get_device_count = [](const SP_Platform*, int* count, TF_Status*) {
    *count = TheRegistry().devices;
  };
  fns->create_device = [](const SP_Platform*, SE_CreateDeviceParams* params, TF_Status*) {
    params->device->struct_size = SP_DEVICE_STRUCT_SIZE;
    params->device->hardware_name = "emulated by opcheck";
    params->device->device_vendor = "opcheck";
    params->device->pci_bus_id = "<undefined>";
  };
  fns->destroy_device = [](const SP_Platform*, SP_Device*) {};
  fns->create_device_fns = [](const SP_Platform*, SE_CreateDeviceFnsParams* params, TF_Status*) {
    params->device_fns->struct_size = SP_DEVICE_FNS_STRUCT_SIZE;
  };
  fns->destroy_device_fns = [](const SP_Platform*, SP_DeviceFns*) {};
  fns->create_stream_executor = FillStreamExecutor;
  fns->destroy_stream_executor = [](const SP_Platform*, SP_StreamExecutor*) {};
  fns->create_timer_fns = [](const SP_Platform*, SP_TimerFns* timer, TF_Status*) {
    timer->struct_size = SP_TIMER_FNS_STRUCT_SIZE;
    timer->nanoseconds = [](SP_Timer) -> uint64_t { return 0; };
  };
  fns->destroy_timer_fns = [](const SP_Platform*, SP_TimerFns*) {};
}

void TF_InitGraph(TP_OptimizerRegistrationParams* params, TF_Status*) {
  params->struct_size = TP_OPTIMIZER_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->device_type = TheRegistry().device.c_str();

  params->optimizer->struct_size = TP_OPTIMIZER_STRUCT_SIZE;
  params->optimizer->create_func = []() -> void* { return nullptr; };
  params->optimizer->destroy_func = [](void*) {};
  params->optimizer->optimize_func = [](void*, const TF_Buffer* graph, const TF_GrapplerItem*,
                                        TF_Buffer* optimized, TF_Status*) {
    void* copy = std::malloc(graph->length);
    std::memcpy(copy, graph->data, graph->length);
    optimized->data = copy;
    optimized->length = graph->length;
    optimized->data_deallocator = [](void* data, size_t) { std::free(data); };
  };

  TP_OptimizerConfigs* configs = params->optimizer_configs;
  configs->struct_size = TP_OPTIMIZER_CONFIGS_STRUCT_SIZE;
  const std::unordered_map<std::string, TF_TriState*> switches = {
      {"disable_model_pruning", &configs->disable_model_pruning},
      {"implementation_selector", &configs->implementation_selector},
      {"function_optimization", &configs->function_optimization},
      {"common_subgraph_elimination", &configs->common_subgraph_elimination},
      {"arithmetic_optimization", &configs->arithmetic_optimization},
      {"debug_stripper", &configs->debug_stripper},
      {"constant_folding", &configs->constant_folding},
      {"shape_optimization", &configs->shape_optimization},
      {"auto_mixed_precision", &configs->auto_mixed_precision},
      {"auto_mixed_precision_onednn_bfloat16", &configs->auto_mixed_precision_onednn_bfloat16},
      {"auto_mixed_precision_mkl", &configs->auto_mixed_precision_mkl},
      {"pin_to_host_optimization", &configs->pin_to_host_optimization},
      {"layout_optimizer", &configs->layout_optimizer},
      {"remapping", &configs->remapping},
      {"loop_optimization", &configs->loop_optimization},
      {"dependency_optimization", &configs->dependency_optimization},
      {"auto_parallel", &configs->auto_parallel},
      {"memory_optimization", &configs->memory_optimization},
      {"scoped_allocator_optimization", &configs->scoped_allocator_optimization},
  };
  for (const auto& [name, value] : TheRegistry().optimizers) {
    const auto found = switches.find(name);
    if (found != switches.end()) *found->second = value;
  }
  // Whatever the plugin does: the layout optimizer turns convolutions to NCHW, which CPU kernels
  // refuse. It runs after the placer, so no placement depends on it.
  configs->layout_optimizer = TF_TriState_Off;
}

void TF_InitKernel() {
  tensorflow::DeviceFactory::Register(
      TheRegistry().device,
      std::make_unique<tensorflow::DevicesThatCopyAtOnce>(TheRegistry().device,
                                                          TheRegistry().platform),
      /*priority=*/221, /*is_pluggable_device=*/true);  // TensorFlow's own has 220
  if (!TheRegistry().drop.empty()) tensorflow::Drop(TheRegistry().drop);
  for (const Words& kernel : TheRegistry().add) tensorflow::Add(kernel);
}

}  // extern "C"
