"""Numbers that others have published, as the paper's tables quote them.

"Pretrained equivariant features improve unsupervised landmark discovery" by
Rahaman, Ghosh and Thiery, 2021 (https://arxiv.org/abs/2104.02925). 'Paper' is
its own method.
"""

# Headings within Tables 1 and 4.
SUPERVISED = 'Supervised'
UNSUPERVISED = 'Unsupervised'

# Table 1: BBC Pose, % of points within 6 px of a 128-pixel image: head, wrists,
# elbows, shoulders, all.
BBC_SUPERVISED = {
    'Pfister et al. 2015': (98.0, 88.4, 77.1, 93.5, 88.0),
    'Charles et al. 2013b': (95.4, 72.9, 68.7, 90.3, 79.9),
    'Chen and Yuille 2014': (65.9, 47.9, 66.5, 76.8, 64.1),
    'Pfister et al. 2014': (74.9, 53.0, 46.0, 71.4, 59.4),
    'Yang and Ramanan 2011': (63.4, 53.7, 49.2, 46.1, 51.6),
}
BBC_UNSUPERVISED = {
    'Jakab et al. 2018': (76.1, 56.5, 70.7, 74.3, 68.4),
    'Paper': (99.4, 33.5, 78.3, 93.5, 72.9),
}
# Table 6, the same columns.
BBC_ABLATION = {
    'Paper, end-to-end': (72.0, 15.5, 45.5, 57.0, 44.0),
    'Paper, pre-training': (99.4, 33.5, 78.3, 93.5, 72.9),
}

# Tables 2 and 5 have a column for each of these.
SAMPLE_METHODS = ('Jakab et al. 2018', 'Paper')
# Table 2: BBC Pose, % by the number of annotated images.
BBC_SAMPLES = {
    5: ('', '49.7 ± 5.0'), 10: ('', '57.6 ± 3.8'), 50: ('', '67.2 ± 0.8'),
    100: ('', '69.4 ± 0.6'), 500: ('', '72.1 ± 0.5'), 1000: ('68.4', '72.9'),
}  # fmt: skip

# Table 3: Cat Head, inter-ocular error in %, for K = 10 and K = 20.
CAT = {
    'Thewlis et al. 2017b': ('26.76', '26.94'),
    'Zhang et al. 2018': ('15.35', '14.84'),
    'Paper, 5 images': ('21.5 ± 2.4', '21.1 ± 1.6'),
    'Paper, 10 images': ('18.9 ± 0.6', '18.8 ± 1.5'),
    'Paper, 100 images': ('16.2 ± 0.3', '15.5 ± 0.3'),
    'Paper, 500 images': ('15.2 ± 0.2', '14.6 ± 0.3'),
    'Paper, 1000 images': ('14.9 ± 0.0', '14.3 ± 0.1'),
    # Its Table 6 has 14.74 for K = 10.
    'Paper, 7747 images': ('14.59', '13.80'),
}
# Table 6, the same columns.
CAT_ABLATION = {
    'Thewlis et al. 2017b': ('26.76', '26.94'),
    'Paper, end-to-end': ('22.97', '23.42'),
    'Paper, pre-training': ('14.74', '13.80'),
}

# Table 4: MAFL, inter-ocular error in %, without a K, for K = 30, for K = 50.
MAFL_SUPERVISED = {
    'CFAN (Zhang et al. 2014a)': ('15.84', '', ''),
    'Cascaded CNN (Sun et al. 2013)': ('9.73', '', ''),
    'TCDCN (Zhang et al. 2015)': ('7.95', '', ''),
    'MTCNN (Zhang et al. 2014b)': ('6.90', '', ''),
}
MAFL_UNSUPERVISED = {
    'Thewlis et al. 2017b': ('', '7.15', '6.67'),
    'Thewlis et al. 2017a': ('5.83', '', ''),
    'Shu et al. 2018': ('5.45', '', ''),
    'Sanchez and Tzimiropoulos 2019': ('3.99', '', ''),
    'Zhang et al. 2018': ('', '3.16', ''),
    'Thewlis et al. 2019': ('2.86', '', ''),
    'Jakab et al. 2018': ('', '2.58', '2.54'),
    'Paper': ('', '4.59', '4.31'),
}
# Table 6, for K = 30 and K = 50.
MAFL_ABLATION = {
    'Thewlis et al. 2017b': ('7.15', '6.67'),
    'Paper, end-to-end': ('6.57', '5.97'),
    'Paper, pre-training': ('4.59', '4.31'),
}
# Table 5: MAFL, by the number of annotated images.
MAFL_SAMPLES = {
    1: ('12.89 ± 3.2', '11.12 ± 2.1'), 5: ('8.16 ± 0.9', '8.82 ± 0.4'),
    10: ('7.19 ± 0.4', '8.27 ± 0.3'), 19000: ('2.58', '4.59'),
}  # fmt: skip
