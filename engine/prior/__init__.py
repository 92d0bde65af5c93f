"""The proxemics prior: a diffusion model of the motion of people who are close to each other."""
