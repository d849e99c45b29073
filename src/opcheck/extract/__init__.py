"""Recovers kernel registries from published libraries (the ``extract`` extra).

    wheels -> image (macho | elf) -> machine + recorder -> plugin | core -> regenerate

`plugin.extract_plugin` reads one plugin library, `core.extract_core` the libraries of one
TensorFlow, and `regenerate` rewrites ``targets/data`` from the manifest. A check never imports
this package.
"""
