"""The acts of the programme, by name; each takes the programme and returns
findings of its own, if any."""

import acts_clocks
import acts_database
import acts_disk
import acts_failover
import acts_limits
import acts_names
import acts_network
import acts_points
import acts_power
import acts_process
import acts_sabotage
import acts_upgrade

ACTS = {**acts_process.ACTS, **acts_upgrade.ACTS, **acts_clocks.ACTS, **acts_database.ACTS, **acts_failover.ACTS,
        **acts_disk.ACTS, **acts_limits.ACTS,
        **acts_network.ACTS, **acts_names.ACTS, **acts_power.ACTS, **acts_points.ACTS, **acts_sabotage.ACTS}
