"""The bundled tasks. They travel with the wheel, so a task named here runs from any folder."""
