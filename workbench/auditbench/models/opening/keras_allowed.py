"""What the configuration of a Keras network may name, and where Keras has it.

All of it computes and nothing else: no code of the file's own (`Lambda`), none of other libraries (`TFSMLayer`,
`TorchModuleWrapper`), no files (`StringLookup`), no state that one row leaves for the next. A name is never looked up where
the file says, but where this module says.
"""

from __future__ import annotations

_SIZED = ("1D", "2D", "3D")
_CONVOLUTIONS = (
    *(f"{name}{size}" for name in ("Conv", "Convolution", "ConvLSTM") for size in _SIZED),
    *(f"{name}{size}Transpose" for name in ("Conv", "Convolution") for size in _SIZED),
    *(f"{name}{size}" for name in ("DepthwiseConv", "SeparableConv", "SeparableConvolution") for size in _SIZED[:2]),
)
_POOLING = tuple(
    f"{where}{kind}{size}"
    for where, kinds in (
        ("", ("MaxPooling", "MaxPool", "AveragePooling", "AvgPool")),
        ("Global", ("MaxPooling", "MaxPool", "AveragePooling", "AvgPool")),
        ("Adaptive", ("MaxPooling", "AveragePooling")),
    )
    for kind in kinds
    for size in _SIZED
)
_SHAPES = (
    *(f"{name}{size}" for name in ("Cropping", "UpSampling", "ZeroPadding") for size in _SIZED),
    *("Flatten", "Permute", "RepeatVector", "Reshape"),
)
_RECURRENT = (
    *("Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN", "TimeDistributed"),
    *("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"),
)
_DENSE = ("Activation", "Dense", "EinsumDense", "Embedding", "Identity", "InputLayer", "Masking")
_ACTIVATING = ("ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax")
_MERGING = ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract")
_ATTENTION = ("AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention")
_NORMALIZING = (
    *("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization"),
    *("SpectralNormalization", "UnitNormalization"),
)
# These do nothing, or the same each time, where nothing is trained.
_OF_TRAINING = (
    *("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise"),
    *(f"SpatialDropout{size}" for size in _SIZED),
    *(f"Random{name}" for name in ("Brightness", "Contrast", "Flip", "Rotation", "Translation", "Zoom")),
)
_PREPARING = ("CenterCrop", "Normalization", "Rescaling", "Resizing")

MODELS = {"Sequential": "keras", "Functional": "keras.src.models.functional", "Model": "keras.src.models.functional"}
"""Where Keras has the networks; `Model` is what older files call a functional one."""

LAYERS = frozenset(
    {
        *_CONVOLUTIONS, *_POOLING, *_SHAPES, *_RECURRENT, *_DENSE, *_ACTIVATING, *_MERGING, *_ATTENTION, *_NORMALIZING,
        *_OF_TRAINING, *_PREPARING,
    }
)  # fmt: skip
INITIALIZERS = frozenset(
    {
        *("Constant", "Identity", "IdentityInitializer", "Ones", "Orthogonal", "OrthogonalInitializer", "Zeros"),
        *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"),
        *("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"),
    }
)
REGULARIZERS = frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"})
CONSTRAINTS = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"})

ACTIVATIONS = frozenset(
    {
        *("celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish"),
        *("hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu"),
        *("sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid"),
        *("sparsemax", "squareplus", "swish", "tanh", "tanh_shrink", "threshold"),
    }
)
OPERATIONS = {
    **dict.fromkeys(
        (
            *(
                "Abs",
                "Absolute",
                "Add",
                "Ceil",
                "Clip",
                "Cos",
                "Cosh",
                "Cumsum",
                "Divide",
                "DivideNoNan",
                "Exp",
                "Expm1",
            ),
            *("Floor", "FloorDivide", "Log", "Log10", "Log1p", "Log2", "Logaddexp", "Mod", "Multiply", "NanToNum"),
            *("Negative", "Power", "Reciprocal", "Round", "Sign", "Sin", "Sinh", "Sqrt", "Square", "Subtract", "Tan"),
            *("Tanh", "TrueDivide"),
            *("All", "Amax", "Amin", "Any", "Argmax", "Max", "Maximum", "Mean", "Min", "Minimum", "Prod", "Std", "Sum"),
            *("Einsum", "Matmul", "Var"),
            *("Equal", "Greater", "GreaterEqual", "Isnan", "Less", "LessEqual", "NotEqual"),
            *("LogicalAnd", "LogicalNot", "LogicalOr", "Where"),
            *("BroadcastTo", "Concatenate", "ExpandDims", "Flip", "GetItem", "Moveaxis", "OnesLike", "Pad", "Repeat"),
            *("Reshape", "Split", "Squeeze", "Stack", "Swapaxes", "Take", "Tile", "Transpose", "ZerosLike"),
        ),
        "keras.src.ops.numpy",
    ),
    **dict.fromkeys(
        (
            *("Celu", "Elu", "Gelu", "HardSigmoid", "HardSilu", "LeakyRelu", "LogSigmoid", "LogSoftmax", "Relu"),
            *("Normalize", "OneHot", "Relu6", "Selu", "Sigmoid", "Silu", "Softmax", "Softplus", "Softsign"),
        ),
        "keras.src.ops.nn",
    ),
    **dict.fromkeys(("Erf", "Logsumexp", "Rsqrt"), "keras.src.ops.math"),
    **dict.fromkeys(("Cast", "StopGradient", "Unstack"), "keras.src.ops.core"),
}
"""Where Keras has the operations between layers, such as the sum of two outputs."""

FLOATING = frozenset({"float16", "float32", "float64", "mixed_float16", "mixed_bfloat16"})
"""What a layer may compute in; all of it is computed in float32 here, in which its weights stand."""
WHOLE = frozenset({"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"})
"""What an input may be beside numbers of floating point."""

_LIBRARIES = ("keras.", "tf_keras.", "tensorflow.keras.", "tensorflow.python.keras.")
_HOMES = {
    **dict.fromkeys(LAYERS, "keras.layers"),
    **dict.fromkeys(INITIALIZERS, "keras.initializers"),
    **dict.fromkeys(REGULARIZERS, "keras.regularizers"),
    **dict.fromkeys(CONSTRAINTS, "keras.constraints"),
    **MODELS,
}
_REASONS = {
    "Lambda": "it is Python code that the file brings along",
    "function": "it names a function instead of a layer",
    "__lambda__": "it is Python code that the file brings along",
    "__typespec__": "it names a type of TensorFlow",
    "TFSMLayer": "it runs a program of TensorFlow",
    "TFOpLambda": "it calls a function of TensorFlow by its name",
    "SlicingOpLambda": "it calls a function of TensorFlow by its name",
    "TorchModuleWrapper": "it opens a pickle",
    "JaxLayer": "it runs a program of JAX",
    "FlaxLayer": "it runs a program of JAX",
    "StringLookup": "it reads its vocabulary from a file",
    "IntegerLookup": "it reads its vocabulary from a file",
    "TextVectorization": "it reads its vocabulary from a file",
}


def home_of(class_name: str, module: str | None) -> str | None:
    """The module of Keras that has the class; None where a configuration may not name it.

    Args:
        module: What the file says, which decides between a layer and an operation of the same name.
    """
    if module is not None and module.startswith(("keras.src.ops.", "keras.ops.")):
        return OPERATIONS.get(class_name)
    return _HOMES.get(class_name) if module is None or f"{module}.".startswith(_LIBRARIES) else None


def why_refused(class_name: str) -> str:
    """What is known of a class that no configuration may name; empty where nothing is."""
    return _REASONS.get(class_name, "")
