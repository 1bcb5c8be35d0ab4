package webapi

import "time"

// SetTimeout shortens how long one answer may take.
func (c *Client) SetTimeout(d time.Duration) { c.timeout = d }
