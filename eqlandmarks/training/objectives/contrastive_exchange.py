"""Stage 1 by the contrastive loss, and `exchange` beside it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import contrastive
from eqlandmarks.training.objectives import exchange
from eqlandmarks.training.pairs import base as pairs

TERMS = ('contrastive', 'exchange')


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective: those of `contrastive`, and these."""
  fields = contrastive.section()
  # Weights of the two losses. Open, and not tried: at first they are about 10
  # and 8.
  fields.weights = ConfigDict({'contrastive': 1.0, 'exchange': 1.0})
  fields.matching = exchange.matching_section()
  return fields
# --8<-- [end:fields]


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: Any,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The weighted sum of both losses, see `base.Objective.loss`."""
  seen = contrastive.see(variables, views, keys, section, nets)
  terms = {
      'contrastive': contrastive.of_seen(seen, variables, section, nets),
      'exchange': exchange.of_seen(seen, variables, section, nets),
  }
  return base.Loss(
      total=base.weighted_sum(terms, section.weights),
      terms=terms,
      batch_stats=seen.batch_stats,
      points_used=seen.points_used,
  )


def collapsed(
    config: Any, section: Any, row: Mapping[str, float]
) -> str | None:
  """Whether the features all point the same way, by the contrastive loss."""
  row = {**row, 'loss': row['contrastive']}
  return contrastive.collapsed(config, section, row)


OBJECTIVE = dataclasses.replace(
    contrastive.OBJECTIVE,
    loss=loss,
    section=section,
    rules=contrastive.OBJECTIVE.rules | {
        'weights': dict.fromkeys(TERMS, field_rules.not_negative()),
        'matching': exchange.MATCHING_RULES,
        field_rules.WHOLE: exchange.check_others,
    },
    terms=TERMS,
    collapsed=collapsed,
)
