"""All processes, by family."""

from laboratory.batch_processes import BATCHES
from laboratory.constant_processes import CONSTANT
from laboratory.iterate_processes import AVERAGES, RULES
from laboratory.landscape_processes import LANDSCAPES
from laboratory.network_processes import NETWORKS
from laboratory.periodic_processes import PERIODIC
from laboratory.process import Process
from laboratory.quiet_processes import QUIET
from laboratory.rare_processes import RARE
from laboratory.settling_processes import SETTLING
from laboratory.step_processes import DOMAINS, MODIFIERS, SUPPLY
from laboratory.unbounded_processes import ESCAPES
from laboratory.unit_processes import UNITS
from laboratory.vanishing_processes import FALLING, SLOW, VANISHING

FAMILIES = (
    *(CONSTANT, VANISHING, SLOW, FALLING, PERIODIC, BATCHES),
    *(SETTLING, QUIET, UNITS, RARE, ESCAPES, LANDSCAPES, NETWORKS),
    *(DOMAINS, SUPPLY, MODIFIERS, AVERAGES, RULES),
)
PROCESSES: tuple[Process, ...] = tuple(process for family in FAMILIES for process in family.processes)
