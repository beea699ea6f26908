"""From a CreateHyperParameterTuningJob request to the description of a job."""
