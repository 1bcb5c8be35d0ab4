package webapi

import "time"

// SetPatience shortens how long one answer may take.
func (c *Client) SetPatience(d time.Duration) { c.patience = d }
