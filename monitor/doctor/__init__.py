"""`ganwatch doctor`: what is wrong with an installation, a service, a store or a spool. It only looks."""
