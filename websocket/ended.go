package websocket

import (
	"context"
	"errors"
	"fmt"
)

// ended returns why ctx has ended: its error, and its cause if that is another one.
func ended(ctx context.Context) error { return withContext(ctx, ctx.Err()) }

// withContext returns err with why ctx has ended, if it has and err does not say so.
func withContext(ctx context.Context, err error) error {
	for _, why := range [...]error{context.Cause(ctx), ctx.Err()} {
		if why != nil && !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	return err
}
