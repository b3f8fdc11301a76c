# The same training, killed after its fifth iteration.
_base_ = ['tiny.py']
custom_imports = dict(imports=['mmseg_universeg', 'kill_hook'])
custom_hooks = [dict(type='KillHook', iteration=5)]
