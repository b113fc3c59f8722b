"""Models in folders that transformers wrote: classifiers of texts, causal language models, sentence encoders."""
