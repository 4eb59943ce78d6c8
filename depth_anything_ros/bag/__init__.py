"""Reading recordings without ROS: ROS 2 bags (MCAP, SQLite) and ROS 1 bags, healthy, damaged or cut off.

From the bytes up: ``files`` (which files make up a recording), ``storage`` (one file, through rosbags) with
``salvage_mcap``, ``salvage_sqlite`` and ``salvage_ros1`` behind it (what rosbags refuses), ``reader`` (topics and
decoded messages), ``streams`` and ``topics`` (which of them are the camera's), ``pairing`` and ``source`` (frames),
``info`` (a description). For writing: ``messages`` and ``safe_mcap``. Everything here needs rosbags; the rest of the
package reaches it by name only.
"""
