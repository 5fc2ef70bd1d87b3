-- The superuser's step, by psql in the target database, before the first
-- `linlid migrate`; harmless when repeated:
--
--   psql -d linli -v ON_ERROR_STOP=1 -f sql/setup.sql
--
-- Roles carry no passwords here: peer authentication, or ALTER ROLE by hand.
\set ON_ERROR_STOP 1
set client_min_messages = warning;

-- Owns every object and runs the migrations. Row-level security is forced, so
-- it binds this role too.
select 'create role linli_owner login'
where not exists (select from pg_roles where rolname = 'linli_owner') \gexec
-- The workers: SELECT and EXECUTE, nothing else.
select 'create role linli_app login'
where not exists (select from pg_roles where rolname = 'linli_app') \gexec
-- The job process: EXECUTE on its own functions.
select 'create role linli_job login'
where not exists (select from pg_roles where rolname = 'linli_job') \gexec
-- Owns the few functions that must look across scopes (near-duplicates).
select 'create role linli_matcher nologin'
where not exists (select from pg_roles where rolname = 'linli_matcher') \gexec

alter role linli_owner nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
alter role linli_app nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
alter role linli_job nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
alter role linli_matcher nosuperuser nocreatedb nocreaterole noreplication bypassrls;
grant linli_matcher to linli_owner;

revoke all on database :"DBNAME" from public;
grant connect, create on database :"DBNAME" to linli_owner;
grant connect on database :"DBNAME" to linli_app, linli_job;
revoke all on schema public from public;
grant usage on schema public to linli_owner, linli_app, linli_job, linli_matcher;

-- Exclusion constraints over uuid and int (assignments now, bookings later).
create extension if not exists btree_gist schema public;
-- Boundaries of grids. Its operators are not leakproof and need not be: a point
-- is looked up by functions of linli_matcher (grid.at), lists by plain figures.
create extension if not exists postgis schema public;

-- Under a policy an index is only used through leakproof operators. Array
-- containment compares elements and neither raises nor prints them; text
-- search keeps its words in a text[] column under a GIN index and needs it.
alter function pg_catalog.arraycontains(anyarray, anyarray) leakproof;

-- Short statements, many filters: compiling them costs 50 ms to save nothing.
alter role linli_app set jit = off;
alter role linli_job set jit = off;

-- A few functions of the owner act as role system for their own length
-- (create function … set linli.role = 'system'): the parameter is the way to
-- have that undone however they end.
grant set on parameter "linli.role", "linli.street" to linli_owner;
