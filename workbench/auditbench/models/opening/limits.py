"""The bounds within which model files are opened. What is beyond them is refused before it costs time or memory.

For comparison: the state dict of a transformer with 400 layers has about 5,000 tensors, 150,000 instructions and half a
MiB of pickle.
"""

from __future__ import annotations

MAX_FILE_BYTES = 64 * 2**30
MAX_GRAPH_BYTES = 2**31 - 1  # more than that no message of its format can hold
MAX_JSON_BYTES = 16 * 2**20
MAX_JSON_CONTAINERS = 2**18  # an empty list of two bytes takes 64 of memory
MAX_SOURCE_BYTES = 2**20
MAX_ESTIMATOR_JSON_BYTES = 2**27  # the numbers of a JSON text take several times its size
MAX_TREE_CATEGORIES = 2**20
MAX_INFLATED_ESTIMATOR = 2**31  # of a pickle that joblib compressed

MAX_TENSORS = 20_000
MAX_DIMENSIONS = 64
MAX_MEMBERS = MAX_TENSORS + 1000
MAX_HEADER_BYTES = 16 * 2**20
MAX_HEADER_DEPTH = 4
MAX_PICKLE_BYTES = 8 * 2**20
MAX_INSTRUCTIONS = 32 * MAX_TENSORS  # torch.save writes 30 for each tensor
MAX_INTEGER_BITS = 8192
MAX_KEY_BITS = 60
MAX_PATHS = 16 * 2**20  # characters of the keys that lead to the dicts of a checkpoint, together

# Of a scan, for all parts of a file together.
MAX_NESTING = 4
MAX_PICKLES = 1000
MAX_INFLATED_BYTES = 256 * 2**20
# Of an archive that is opened, as a multiple of its size.
MAX_INFLATION = 100

# Of HDF5 files and of the configuration of a network; Keras writes two or three groups and as many arrays a layer.
MAX_OBJECTS = 8 * MAX_TENSORS
MAX_PATH_DEPTH = 64
MAX_NAMED_BYTES = 2**30
MAX_LAYERS = 5000
MAX_CONFIG_DEPTH = 64
