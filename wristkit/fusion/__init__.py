"""Attitude, gravity and user acceleration from accelerometer, gyroscope and magnetometer, by the vqf library.

Conventions are Core Motion's: gravity at rest face up is (0, 0, -1) g, ``accel = gravity + user_accel``, and an
attitude is a unit quaternion w, x, y, z that turns the device's axes into the earth's; q and -q are the same attitude.
Of ``attitude`` the earth's z points up and its x anywhere, the same way until a gap; of ``attitude_north`` x points to
magnetic north and y to the west.
"""

from wristkit.fusion.estimate import Fused
from wristkit.fusion.online import Clock, Fusion, FusionParams
from wristkit.fusion.recorded import fuse
from wristkit.fusion.velocity import gesture_velocity

__all__ = ["Clock", "Fused", "Fusion", "FusionParams", "fuse", "gesture_velocity"]
