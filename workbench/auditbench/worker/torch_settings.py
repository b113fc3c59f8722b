"""Settings of torch and numpy that decide what the next analyzer computes."""

from __future__ import annotations

from typing import Any

from auditbench.worker.settings import Setting, attribute

_MODULE_HOOKS = (
    "_global_backward_pre_hooks",
    "_global_backward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks",
    "_global_forward_hooks_always_called",
    "_global_forward_hooks_with_kwargs",
    "_global_buffer_registration_hooks",
    "_global_module_registration_hooks",
    "_global_parameter_registration_hooks",
)
_AUTOCAST_DEVICES = ("cpu", "cuda")
_kept_guards: list[Any] = []


def torch_settings() -> list[Setting]:
    """Every setting of torch, in the order in which they are put back: modes first, for they change what setters do."""
    import torch

    return [
        Setting(name="inference mode", get=torch.is_inference_mode_enabled, put=_set_inference_mode),
        Setting(name="default device", get=torch.get_default_device, put=_set_default_device),
        Setting(name="function modes", get=_function_modes, put=_set_function_modes),
        Setting(name="dispatch modes", get=_dispatch_modes, put=_set_dispatch_modes),
        Setting(name="gradient mode", get=torch.is_grad_enabled, put=torch.set_grad_enabled),
        Setting(name="saved tensor hooks", get=_saved_tensor_hooks, put=_set_saved_tensor_hooks),
        Setting(name="default dtype", get=torch.get_default_dtype, put=torch.set_default_dtype),
        Setting(name="deterministic algorithms", get=_deterministic, put=_set_deterministic),
        attribute("fill of uninitialized memory", torch.utils.deterministic, "fill_uninitialized_memory"),
        Setting(name="anomaly detection", get=_anomaly, put=_set_anomaly),
        Setting(name="threads", get=torch.get_num_threads, put=torch.set_num_threads),
        Setting(
            name="threads between operations", get=torch.get_num_interop_threads, put=torch.set_num_interop_threads
        ),
        Setting(name="flushing of denormal numbers", get=_flushes_denormal, put=torch.set_flush_denormal),
        Setting(name="print options", get=_print_options, put=_set_print_options),
        Setting(name="hooks of all modules", get=_module_hooks, put=_set_module_hooks),
        Setting(name="repeated warnings", get=torch.is_warn_always_enabled, put=torch.set_warn_always),
        *_autocast_settings(),
        *_backend_settings(),
        *_cuda_settings(),
    ]


def numpy_settings() -> list[Setting]:
    """What numpy does about errors, and how it prints."""
    import numpy as np

    return [
        Setting(name="numpy error handling", get=np.geterr, put=lambda found: np.seterr(**found)),
        Setting(name="numpy error callback", get=np.geterrcall, put=np.seterrcall),
        Setting(name="numpy buffer size", get=np.getbufsize, put=np.setbufsize),
        Setting(name="numpy print options", get=np.get_printoptions, put=lambda found: np.set_printoptions(**found)),
    ]


def _backend_settings() -> list[Setting]:
    import torch

    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    cuda = torch.backends.cuda
    matmul = cuda.matmul
    return [
        attribute("cuDNN", cudnn, "enabled"),
        attribute("cuDNN benchmark", cudnn, "benchmark"),
        attribute("cuDNN determinism", cudnn, "deterministic"),
        attribute("cuDNN precision", cudnn, "fp32_precision"),
        attribute("cuDNN precision", cudnn.conv, "fp32_precision"),
        attribute("cuDNN precision", cudnn.rnn, "fp32_precision"),
        attribute("cuDNN TF32", cudnn, "allow_tf32"),
        Setting(
            name="matmul precision", get=torch.get_float32_matmul_precision, put=torch.set_float32_matmul_precision
        ),
        attribute("matmul precision", torch.backends, "fp32_precision"),
        attribute("matmul precision", mkldnn.matmul, "fp32_precision"),
        attribute("matmul precision", matmul, "fp32_precision"),
        attribute("matmul TF32", matmul, "allow_tf32"),
        attribute("matmul reduction in float16", matmul, "allow_fp16_reduced_precision_reduction"),
        attribute("matmul reduction in bfloat16", matmul, "allow_bf16_reduced_precision_reduction"),
        attribute("matmul accumulation in float16", matmul, "allow_fp16_accumulation"),
        attribute("oneDNN", mkldnn, "enabled"),
        attribute("NNPACK", torch.backends.nnpack, "enabled"),
        Setting(name="attention by flash", get=cuda.flash_sdp_enabled, put=cuda.enable_flash_sdp),
        Setting(name="attention by less memory", get=cuda.mem_efficient_sdp_enabled, put=cuda.enable_mem_efficient_sdp),
        Setting(name="attention by formula", get=cuda.math_sdp_enabled, put=cuda.enable_math_sdp),
        Setting(name="attention by cuDNN", get=cuda.cudnn_sdp_enabled, put=cuda.enable_cudnn_sdp),
        attribute("engine of quantized operations", torch.backends.quantized, "engine"),
    ]


def _cuda_settings() -> list[Setting]:
    """Those that only a GPU in use has."""
    import torch

    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return []
    return [Setting(name="current GPU", get=torch.cuda.current_device, put=torch.cuda.set_device)]


def _autocast_settings() -> list[Setting]:
    import torch

    found = [
        Setting(name="autocast", get=_autocast_depth, put=_set_autocast_depth),
        Setting(name="autocast cache", get=torch.is_autocast_cache_enabled, put=torch.set_autocast_cache_enabled),
    ]
    for device in _AUTOCAST_DEVICES:
        found += [
            Setting(
                name="autocast",
                get=lambda device=device: torch.is_autocast_enabled(device),  # type: ignore[misc]
                put=lambda on, device=device: torch.set_autocast_enabled(device, on),  # type: ignore[misc]
            ),
            Setting(
                name="autocast dtype",
                get=lambda device=device: torch.get_autocast_dtype(device),  # type: ignore[misc]
                put=lambda dtype, device=device: torch.set_autocast_dtype(device, dtype),  # type: ignore[misc]
            ),
        ]
    return found


def _autocast_depth() -> int:
    """How many blocks of autocast are open."""
    import torch

    torch.autocast_increment_nesting()
    return int(torch.autocast_decrement_nesting())


def _set_autocast_depth(depth: int) -> None:
    import torch

    while _autocast_depth() > depth:
        torch.autocast_decrement_nesting()
    while _autocast_depth() < depth:
        torch.autocast_increment_nesting()
    torch.clear_autocast_cache()


def _set_inference_mode(on: bool) -> None:
    """Enter a mode of our own, never left: the one that is open belongs to somebody else, and leaving ours would bring
    it back.
    """
    import torch

    guard = torch.inference_mode(on)
    guard.__enter__()
    _kept_guards.append(guard)


def _set_default_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device == torch.device("cpu") else device)


def _function_modes() -> tuple[Any, ...]:
    """The modes that see every function of torch, but for the one of the default device."""
    from torch.overrides import _get_current_function_mode_stack
    from torch.utils._device import DeviceContext

    stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    return tuple(mode for mode in stack if not isinstance(mode, DeviceContext))


def _set_function_modes(modes: tuple[Any, ...]) -> None:
    import torch
    from torch.utils._device import DeviceContext

    found = [torch._C._pop_torch_function_stack() for _ in range(torch._C._len_torch_function_stack())]  # noqa: SLF001 - torch has no public way
    for mode in [*(mode for mode in found if isinstance(mode, DeviceContext)), *modes]:
        torch._C._push_on_torch_function_stack(mode)  # noqa: SLF001 - as above


def _dispatch_modes() -> tuple[Any, ...]:
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    return tuple(_get_current_dispatch_mode_stack())


def _set_dispatch_modes(modes: tuple[Any, ...]) -> None:
    import torch
    from torch.utils import _python_dispatch

    while torch._C._len_torch_dispatch_stack():  # noqa: SLF001 - torch has no public way
        _python_dispatch._pop_mode()  # noqa: SLF001 - as above
    for mode in modes:
        _python_dispatch._push_mode(mode)  # noqa: SLF001 - as above


def _saved_tensor_hooks() -> Any:
    import torch

    return torch._C._autograd._top_saved_tensors_default_hooks(True)  # noqa: SLF001 - torch has no public way


def _set_saved_tensor_hooks(hooks: Any) -> None:
    import torch

    while (found := _saved_tensor_hooks()) is not None and found != hooks:
        torch._C._autograd._pop_saved_tensors_default_hooks()  # noqa: SLF001 - torch has no public way
    if found is None and hooks is not None:
        torch._C._autograd._push_saved_tensors_default_hooks(*hooks)  # noqa: SLF001 - as above


def _deterministic() -> tuple[bool, bool]:
    import torch

    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(found: tuple[bool, bool]) -> None:
    import torch

    torch.use_deterministic_algorithms(found[0], warn_only=found[1])


def _anomaly() -> tuple[bool, bool]:
    import torch

    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _set_anomaly(found: tuple[bool, bool]) -> None:
    import torch

    torch.set_anomaly_enabled(*found)  # the other setter warns when it is turned on


def _flushes_denormal() -> bool:
    """Whether a number below the smallest normal one counts as zero; torch sets it and cannot say it."""
    import sys

    smallest = sys.float_info.min
    return smallest / 2 == 0.0


def _print_options() -> dict[str, Any]:
    from torch import _tensor_str

    return dict(vars(_tensor_str.PRINT_OPTS))


def _set_print_options(found: dict[str, Any]) -> None:
    from torch import _tensor_str

    for name, value in found.items():
        setattr(_tensor_str.PRINT_OPTS, name, value)


def _module_hooks() -> dict[str, dict[int, Any]]:
    """The hooks that torch calls for every module, by kind."""
    from torch.nn.modules import module

    return {kind: dict(getattr(module, kind)) for kind in _MODULE_HOOKS if hasattr(module, kind)}


def _set_module_hooks(found: dict[str, dict[int, Any]]) -> None:
    from torch.nn.modules import module

    for kind, hooks in found.items():
        kept = getattr(module, kind)
        kept.clear()
        kept.update(hooks)
