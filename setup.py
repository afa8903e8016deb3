"""Packaging of eqlandmarks."""

import pathlib
import re

import setuptools

_HERE = pathlib.Path(__file__).parent
_VERSION = re.search(
    r"__version__ = '(.+)'", (_HERE / 'eqlandmarks/__init__.py').read_text()
).group(1)

setuptools.setup(
    name='eqlandmarks',
    version=_VERSION,
    description='Unsupervised landmark discovery in JAX.',
    long_description=(_HERE / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    author='The eqlandmarks authors',
    keywords=[
        'landmarks', 'keypoints', 'unsupervised', 'equivariance', 'jax', 'flax'
    ],
    project_urls={'Paper': 'https://arxiv.org/abs/2104.02925'},
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Science/Research',
        'Operating System :: MacOS',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    # eqlandmarks/configs is a link to configs/: the wheel carries them as a
    # part of the package, and no `configs` of everybody's.
    packages=setuptools.find_packages(include=['eqlandmarks*']),
    package_data={
        'eqlandmarks': ['py.typed'],
        'eqlandmarks.predictor': ['template/*'],
        'eqlandmarks.report': ['template/*'],
    },
    entry_points={
        'console_scripts': ['eqlandmarks = eqlandmarks.program.cli:run']
    },
    python_requires='>=3.11,<3.14',
    install_requires=[
        'absl-py>=2.1',
        'array_record>=0.8',
        'dm_pix>=0.4.3,<0.5',
        # jax.export needs it without declaring it.
        'flatbuffers>=24,<26',
        'flax>=0.12,<0.13',
        'grain>=0.2.16,<0.3',
        # tensorflow-datasets imports it without declaring it.
        'importlib_resources>=6',
        'jax>=0.10,<0.13',
        'jaxlib>=0.10,<0.13',
        'jinja2>=3.1,<4',
        'matplotlib>=3.9,<4',
        'ml-collections>=1.0,<2',
        'numpy>=2.0,<3',
        'optax>=0.2.6,<0.3',
        # Its v1 API still moves from one minor version to the next.
        'orbax-checkpoint>=0.12,<0.13',
        'pillow>=11,<14',
        'pyyaml>=6,<7',
        'safetensors>=0.5,<1',
        'scikit-learn>=1.5,<2',
        'scipy>=1.11,<2',
        'tabulate>=0.9,<1',
        'tensorflow-datasets>=4.9.9,<5',
        'tensorstore>=0.1.75,<0.2',
        'tqdm>=4.66,<5',
    ],
    extras_require={
        'docs': ['mkdocs>=1.6,<2', 'mkdocs-material>=9.6,<10'],
        'labels': ['pandas>=2.2,<4', 'tables>=3.10,<4'],
        'sleap': ['sleap-io>=0.9,<0.10'],
        'tensorboard': ['tensorboardX>=2.6.2,<3'],
        'torch': ['kornia>=0.8,<0.10', 'torch>=2.6,<3'],
        'video': ['av>=18,<19'],
        'test': [
            'av>=18,<19',
            'h5py>=3.11,<4',
            'hypothesis>=6,<7',
            'nbclient>=0.10,<1',
            'nbformat>=5.10,<6',
            'ipykernel>=6,<8',
            'pandas>=2.2,<4',
            'playwright>=1.50,<2',
            'pycocotools>=2.0.8,<3',
            'pytest>=8,<10',
            'pytest-xdist>=3.6,<4',
            'ruff>=0.12,<1',
            'sleap-io>=0.9,<0.10',
            'tables>=3.10,<4',
            'tensorboardX>=2.6.2,<3',
        ],
    },
)
