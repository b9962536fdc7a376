-- CACHE 1: a session that hoarded values would hand them out after later ones.
CREATE SEQUENCE {schema}.position CACHE 1;
