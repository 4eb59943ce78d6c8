"""The training pipeline that makes the deployed network: sources, samples, losses, stages and recipes.

In a checkout ``python -m training STAGE --recipe FILE``; installed ``python -m depth_anything_ros_training STAGE``.
"""
