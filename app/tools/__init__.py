"""What the mouse means in the frame view, a tool a file: joints, clicks, boxes, masks."""
