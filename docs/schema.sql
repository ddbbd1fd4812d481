-- The schema of carecircle at revision 20260501_service, as pg_dump writes it from a migrated database.
-- To read, not to run or edit: `carecircle db upgrade` makes the schema, `uv run python scripts/write_schema_sql.py` this
-- file. Beside it, carecircle needs the extension btree_gist and five roles. The audit trail's partitions by month are
-- made ahead at every upgrade and left out here.

CREATE SCHEMA carecircle;

ALTER SCHEMA carecircle OWNER TO carecircle_owner;

CREATE FUNCTION carecircle.current_organization() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('carecircle.organization_id'::text, true), ''::text))::uuid;

ALTER FUNCTION carecircle.current_organization() OWNER TO carecircle_owner;

CREATE FUNCTION carecircle.writer() RETURNS uuid
    LANGUAGE sql
    AS $$
          select coalesce(nullif(current_setting('carecircle.writer', true), ''),
                          set_config('carecircle.writer', gen_random_uuid()::text, false))::uuid
        $$;

ALTER FUNCTION carecircle.writer() OWNER TO carecircle_owner;

CREATE FUNCTION carecircle.writer_turn(organization uuid) RETURNS bigint
    LANGUAGE sql
    AS $$
          select set_config(name, (coalesce(nullif(current_setting(name, true), ''), '0')::bigint + 1)::text, false)::bigint
          from (select 'carecircle.turn_' || replace(organization::text, '-', '') as name) named
        $$;

ALTER FUNCTION carecircle.writer_turn(organization uuid) OWNER TO carecircle_owner;

CREATE TABLE carecircle.access_restrictions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    kind text NOT NULL,
    provider_id uuid NOT NULL,
    patient_id uuid,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT access_restrictions_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT access_restrictions_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT access_restrictions_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT access_restrictions_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT access_restrictions_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT objection_is_a_patients CHECK (((kind = 'objection'::text) = (patient_id IS NOT NULL))),
    CONSTRAINT restriction_kind_is_known CHECK ((kind = ANY (ARRAY['objection'::text, 'suspension'::text])))
);

ALTER TABLE ONLY carecircle.access_restrictions FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.access_restrictions OWNER TO carecircle_owner;

CREATE TABLE carecircle.account_roles (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT account_role_is_known CHECK ((role = ANY (ARRAY['super_admin'::text, 'org_admin'::text, 'care_coordinator'::text, 'supervisor'::text, 'privacy_officer'::text, 'clinician'::text, 'auditor'::text, 'service'::text]))),
    CONSTRAINT account_roles_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT account_roles_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT account_roles_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT account_roles_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT account_roles_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.account_roles FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.account_roles OWNER TO carecircle_owner;

CREATE TABLE carecircle.accounts (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    provider_id uuid,
    label text DEFAULT ''::text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT account_is_named CHECK (((issuer <> ''::text) AND (subject <> ''::text))),
    CONSTRAINT accounts_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT accounts_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT accounts_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT accounts_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT accounts_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.accounts FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.accounts OWNER TO carecircle_owner;

CREATE TABLE carecircle.api_keys (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    may text[] NOT NULL,
    actions text[],
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT api_key_expires CHECK ((ends_at < 'infinity'::timestamp with time zone)),
    CONSTRAINT api_key_hash_is_whole CHECK ((octet_length(secret_hash) = 32)),
    CONSTRAINT api_key_permissions_are_known CHECK (((may <> '{}'::text[]) AND (may <@ ARRAY['ask'::text, 'ask-for-others'::text, 'read'::text, 'change'::text, 'privacy'::text, 'audit'::text, 'administer'::text, 'all-organizations'::text]) AND ('all-organizations'::text <> ALL (may)))),
    CONSTRAINT api_keys_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT api_keys_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT api_keys_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT api_keys_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT api_keys_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.api_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.api_keys OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_checkpoints (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    tree_size bigint NOT NULL,
    root_hash bytea NOT NULL,
    last_xid xid8 NOT NULL,
    last_entry_id uuid NOT NULL,
    snapshot_xmax xid8 NOT NULL,
    system_id bigint NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    note text NOT NULL,
    CONSTRAINT audit_checkpoint_is_a_root CHECK (((octet_length(root_hash) = 32) AND (tree_size >= 0) AND (epoch > 0)))
);

ALTER TABLE ONLY carecircle.audit_checkpoints FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_checkpoints OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_events (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    provider_id uuid,
    patient_id uuid,
    action text,
    purpose text,
    allowed boolean,
    code text NOT NULL,
    as_of timestamp with time zone,
    believed_at timestamp with time zone,
    basis_kinds text[],
    basis_ids uuid[],
    basis_under uuid[],
    basis_ends timestamp with time zone[],
    request_id text,
    detail text,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    snapshot pg_snapshot DEFAULT pg_current_snapshot() NOT NULL,
    basis_via uuid[],
    writer_id uuid DEFAULT carecircle.writer(),
    writer_turn bigint DEFAULT carecircle.writer_turn(carecircle.current_organization()),
    mark bytea,
    on_behalf_of text,
    address text,
    policy_version integer
)
PARTITION BY RANGE (recorded_at);

ALTER TABLE ONLY carecircle.audit_events FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_events OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_events_other (
    organization_id uuid CONSTRAINT audit_events_organization_id_not_null NOT NULL,
    id uuid CONSTRAINT audit_events_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() CONSTRAINT audit_events_recorded_at_not_null NOT NULL,
    kind text CONSTRAINT audit_events_kind_not_null NOT NULL,
    actor text CONSTRAINT audit_events_actor_not_null NOT NULL,
    provider_id uuid,
    patient_id uuid,
    action text,
    purpose text,
    allowed boolean,
    code text CONSTRAINT audit_events_code_not_null NOT NULL,
    as_of timestamp with time zone,
    believed_at timestamp with time zone,
    basis_kinds text[],
    basis_ids uuid[],
    basis_under uuid[],
    basis_ends timestamp with time zone[],
    request_id text,
    detail text,
    xid xid8 DEFAULT pg_current_xact_id() CONSTRAINT audit_events_xid_not_null NOT NULL,
    snapshot pg_snapshot DEFAULT pg_current_snapshot() CONSTRAINT audit_events_snapshot_not_null NOT NULL,
    basis_via uuid[],
    writer_id uuid DEFAULT carecircle.writer(),
    writer_turn bigint DEFAULT carecircle.writer_turn(carecircle.current_organization()),
    mark bytea,
    on_behalf_of text,
    address text,
    policy_version integer
);

ALTER TABLE ONLY carecircle.audit_events_other FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_events_other OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_leaves (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    leaf_index bigint NOT NULL,
    entry_id uuid NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    leaf_hash bytea NOT NULL,
    CONSTRAINT audit_leaf_is_a_hash CHECK (((octet_length(leaf_hash) = 32) AND (leaf_index >= 0) AND (epoch > 0)))
);

ALTER TABLE ONLY carecircle.audit_leaves FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_leaves OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_nodes (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    level smallint NOT NULL,
    node_index bigint NOT NULL,
    node_hash bytea NOT NULL,
    CONSTRAINT audit_node_is_a_hash CHECK (((octet_length(node_hash) = 32) AND (node_index >= 0) AND (level > 0)))
);

ALTER TABLE ONLY carecircle.audit_nodes FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_nodes OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_opening (
    xid xid8
);

ALTER TABLE carecircle.audit_opening OWNER TO carecircle_owner;

CREATE TABLE carecircle.audit_retirements (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    month date NOT NULL,
    entries bigint NOT NULL,
    export_sha256 bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    entry_id uuid NOT NULL,
    CONSTRAINT month_is_its_first_day CHECK ((month = (date_trunc('month'::text, (month)::timestamp without time zone))::date))
);

ALTER TABLE ONLY carecircle.audit_retirements FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_retirements OWNER TO carecircle_owner;

CREATE TABLE carecircle.care_team_closures (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    care_team_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT care_team_closures_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT care_team_closures_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT care_team_closures_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT care_team_closures_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT care_team_closures_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.care_team_closures FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_team_closures OWNER TO carecircle_owner;

CREATE TABLE carecircle.care_team_members (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    care_team_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    member_role text NOT NULL,
    scope text[] NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    rests_on text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT care_team_members_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT care_team_members_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT care_team_members_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT care_team_members_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT care_team_members_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT member_is_granted_something CHECK ((cardinality(scope) > 0))
);

ALTER TABLE ONLY carecircle.care_team_members FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_team_members OWNER TO carecircle_owner;

CREATE TABLE carecircle.care_team_patients (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    care_team_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT care_team_patients_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT care_team_patients_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT care_team_patients_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT care_team_patients_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT care_team_patients_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.care_team_patients FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_team_patients OWNER TO carecircle_owner;

CREATE TABLE carecircle.care_teams (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    team_type text DEFAULT 'primary'::text NOT NULL,
    system text DEFAULT ''::text NOT NULL,
    value text NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT care_team_type_is_known CHECK ((team_type = ANY (ARRAY['primary'::text, 'specialty'::text, 'emergency'::text])))
);

ALTER TABLE ONLY carecircle.care_teams FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_teams OWNER TO carecircle_owner;

CREATE TABLE carecircle.coverage_arrangements (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    arrangement_id uuid NOT NULL,
    covered_provider_id uuid NOT NULL,
    covering_provider_id uuid NOT NULL,
    coverage_type text NOT NULL,
    care_team_id uuid,
    patient_id uuid,
    scope text[] NOT NULL,
    rests_on text[] DEFAULT '{}'::text[] NOT NULL,
    duty_ends_at timestamp with time zone NOT NULL,
    duty tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, duty_ends_at, '[)'::text)) STORED,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT coverage_arrangements_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT coverage_arrangements_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT coverage_arrangements_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT coverage_arrangements_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT coverage_arrangements_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT coverage_grants_something CHECK ((cardinality(scope) > 0)),
    CONSTRAINT coverage_has_an_end CHECK ((ends_at < 'infinity'::timestamp with time zone)),
    CONSTRAINT coverage_is_of_one_thing CHECK (((care_team_id IS NULL) OR (patient_id IS NULL))),
    CONSTRAINT coverage_type_is_known CHECK ((coverage_type = ANY (ARRAY['full'::text, 'urgent'::text, 'on_call'::text]))),
    CONSTRAINT duty_ends_before_access CHECK (((duty_ends_at > starts_at) AND (duty_ends_at <= ends_at))),
    CONSTRAINT nobody_covers_themselves CHECK ((covered_provider_id <> covering_provider_id))
);

ALTER TABLE ONLY carecircle.coverage_arrangements FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.coverage_arrangements OWNER TO carecircle_owner;

CREATE TABLE carecircle.duties (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    duty text NOT NULL,
    unit_id uuid,
    call_order integer DEFAULT 1 NOT NULL,
    contact text DEFAULT ''::text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT call_order_is_positive CHECK ((call_order > 0)),
    CONSTRAINT duties_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT duties_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT duties_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT duties_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT duties_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT duty_is_known CHECK ((duty = ANY (ARRAY['supervisor'::text, 'duty_manager'::text, 'privacy_office'::text, 'break_glass'::text])))
);

ALTER TABLE ONLY carecircle.duties FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.duties OWNER TO carecircle_owner;

CREATE TABLE carecircle.emergency_access (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    state text NOT NULL,
    mode text NOT NULL,
    scope text[] DEFAULT '{}'::text[] NOT NULL,
    despite text[] DEFAULT '{}'::text[] NOT NULL,
    reason_code text NOT NULL,
    reason bytea,
    reason_digest bytea,
    second_reason_code text,
    second_reason bytea,
    wanted_scope text[] NOT NULL,
    wanted_until timestamp with time zone NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    opened_at timestamp with time zone,
    decided_at timestamp with time zone,
    two_persons boolean DEFAULT false NOT NULL,
    seconded_by_id uuid,
    decided_by_id uuid,
    reviewed_by_id uuid,
    ended_because text,
    verdict text,
    review_due_at timestamp with time zone,
    signals text[] DEFAULT '{}'::text[] NOT NULL,
    unit_id uuid,
    reopens_id uuid,
    authenticated_at timestamp with time zone,
    attested boolean DEFAULT false NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT approved_by_somebody CHECK (((state <> 'approved'::text) OR (decided_by_id IS NOT NULL))),
    CONSTRAINT approved_by_two_where_needed CHECK (((state <> 'approved'::text) OR (NOT two_persons) OR (seconded_by_id IS NOT NULL))),
    CONSTRAINT downtime_grants_nothing CHECK (((mode <> 'downtime'::text) OR (scope = '{}'::text[]))),
    CONSTRAINT emergency_access_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT emergency_access_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT emergency_access_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT emergency_access_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT emergency_access_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT emergency_grant_has_an_end CHECK (((scope = '{}'::text[]) OR ((ends_at < 'infinity'::timestamp with time zone) AND (ends_at <= (opened_at + '72:00:00'::interval))))),
    CONSTRAINT emergency_grant_was_opened CHECK (((scope = '{}'::text[]) OR (opened_at IS NOT NULL))),
    CONSTRAINT emergency_mode_is_known CHECK ((mode = ANY (ARRAY['provisional'::text, 'immediate'::text, 'gated'::text, 'downtime'::text]))),
    CONSTRAINT emergency_reason_is_given CHECK ((reason_code <> ''::text)),
    CONSTRAINT emergency_state_is_known CHECK ((state = ANY (ARRAY['requested'::text, 'provisional'::text, 'approved'::text, 'denied'::text, 'ended'::text, 'reviewed'::text]))),
    CONSTRAINT nobody_decides_for_themselves CHECK (((decided_by_id IS DISTINCT FROM provider_id) AND (seconded_by_id IS DISTINCT FROM provider_id))),
    CONSTRAINT nothing_overrides_a_suspension CHECK ((despite <@ ARRAY['sensitivity'::text, 'objection'::text])),
    CONSTRAINT only_an_open_state_grants CHECK (((scope = '{}'::text[]) OR (state = ANY (ARRAY['provisional'::text, 'approved'::text])))),
    CONSTRAINT reviewed_with_a_verdict CHECK (((state = 'reviewed'::text) = ((verdict IS NOT NULL) AND (reviewed_by_id IS NOT NULL)))),
    CONSTRAINT reviewer_is_another CHECK (((reviewed_by_id IS NULL) OR ((reviewed_by_id <> provider_id) AND (reviewed_by_id IS DISTINCT FROM decided_by_id) AND (reviewed_by_id IS DISTINCT FROM seconded_by_id)))),
    CONSTRAINT second_person_is_another CHECK (((seconded_by_id IS NULL) OR (seconded_by_id IS DISTINCT FROM decided_by_id))),
    CONSTRAINT verdict_is_known CHECK ((verdict = ANY (ARRAY['justified'::text, 'concern'::text, 'escalated'::text])))
);

ALTER TABLE ONLY carecircle.emergency_access FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.emergency_access OWNER TO carecircle_owner;

CREATE TABLE carecircle.emergency_approvers (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    emergency_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    duty text NOT NULL,
    duty_id uuid NOT NULL,
    call_order integer NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    entry_id uuid NOT NULL
);

ALTER TABLE ONLY carecircle.emergency_approvers FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.emergency_approvers OWNER TO carecircle_owner;

CREATE TABLE carecircle.emergency_notes (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    emergency_id uuid NOT NULL,
    kind text NOT NULL,
    provider_id uuid,
    body bytea,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    entry_id uuid NOT NULL,
    CONSTRAINT emergency_note_kind_is_known CHECK ((kind = ANY (ARRAY['acknowledged'::text, 'asked'::text, 'answered'::text, 'decided'::text, 'reviewed'::text, 'converted'::text, 'escalated'::text])))
);

ALTER TABLE ONLY carecircle.emergency_notes FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.emergency_notes OWNER TO carecircle_owner;

CREATE TABLE carecircle.findings (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    code text NOT NULL,
    sentence text NOT NULL,
    remedy text DEFAULT ''::text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    patient_id uuid,
    provider_id uuid,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    CONSTRAINT findings_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT findings_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.findings FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.findings OWNER TO carecircle_owner;

CREATE TABLE carecircle.idempotent_answers (
    organization_id uuid NOT NULL,
    caller text NOT NULL,
    key text NOT NULL,
    request_digest bytea NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT idempotency_key_is_short CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);

ALTER TABLE ONLY carecircle.idempotent_answers FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.idempotent_answers OWNER TO carecircle_owner;

CREATE TABLE carecircle.legal_holds (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    patient_id uuid,
    reason bytea,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT legal_holds_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT legal_holds_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT legal_holds_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT legal_holds_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT legal_holds_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.legal_holds FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.legal_holds OWNER TO carecircle_owner;

CREATE TABLE carecircle.organization_keys (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    purpose text NOT NULL,
    key_id bytea NOT NULL,
    wrapped bytea,
    root_key_id bytea NOT NULL,
    writes_from timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    destroyed_at timestamp with time zone,
    entry_id uuid NOT NULL,
    CONSTRAINT destroyed_key_is_gone CHECK (((wrapped IS NULL) = (destroyed_at IS NOT NULL))),
    CONSTRAINT key_purpose_is_known CHECK ((purpose = ANY (ARRAY['field'::text, 'blind'::text])))
);

ALTER TABLE ONLY carecircle.organization_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.organization_keys OWNER TO carecircle_owner;

CREATE TABLE carecircle.organizations (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT organizations_slug_is_plain CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

ALTER TABLE ONLY carecircle.organizations FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.organizations OWNER TO carecircle_owner;

CREATE TABLE carecircle.outbox (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    recipient_id uuid,
    address text DEFAULT ''::text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    settled_at timestamp with time zone,
    outcome text DEFAULT ''::text NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    entry_id uuid NOT NULL,
    CONSTRAINT outbox_kind_is_given CHECK ((kind <> ''::text))
);

ALTER TABLE ONLY carecircle.outbox FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.outbox OWNER TO carecircle_owner;

CREATE TABLE carecircle.panel_capacities (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    capacity integer,
    accepts_new boolean NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT panel_capacities_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT panel_capacities_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT panel_capacities_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT panel_capacities_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT panel_capacities_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT panel_capacity_is_not_negative CHECK ((capacity >= 0))
);

ALTER TABLE ONLY carecircle.panel_capacities FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.panel_capacities OWNER TO carecircle_owner;

CREATE TABLE carecircle.patient_assignments (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    assignment_type text NOT NULL,
    scope text[] NOT NULL,
    is_primary_provider boolean GENERATED ALWAYS AS ((assignment_type = 'primary'::text)) STORED,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    rests_on text[] DEFAULT '{}'::text[] NOT NULL,
    referral_id uuid,
    CONSTRAINT assignment_grants_something CHECK ((cardinality(scope) > 0)),
    CONSTRAINT assignment_type_is_known CHECK ((assignment_type = ANY (ARRAY['primary'::text, 'consulting'::text, 'attending'::text, 'admitting'::text, 'emergency'::text]))),
    CONSTRAINT emergency_assignment_has_an_end CHECK (((assignment_type <> 'emergency'::text) OR (ends_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT patient_assignments_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT patient_assignments_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT patient_assignments_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT patient_assignments_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT patient_assignments_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT referred_assignment_has_an_end CHECK (((referral_id IS NULL) OR (ends_at < 'infinity'::timestamp with time zone)))
);

ALTER TABLE ONLY carecircle.patient_assignments FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_assignments OWNER TO carecircle_owner;

CREATE TABLE carecircle.patient_identifiers (
    organization_id uuid NOT NULL,
    blind_index bytea NOT NULL,
    patient_id uuid NOT NULL,
    identifier bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.patient_identifiers FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_identifiers OWNER TO carecircle_owner;

CREATE TABLE carecircle.patient_labels (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    label text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT label_is_known CHECK ((label = ANY (ARRAY['R'::text, 'CEL'::text, 'EMP'::text, 'PSY'::text, 'HIV'::text, 'SUD'::text]))),
    CONSTRAINT patient_labels_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT patient_labels_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT patient_labels_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT patient_labels_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT patient_labels_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.patient_labels FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_labels OWNER TO carecircle_owner;

CREATE TABLE carecircle.patient_merges (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    into_patient_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT nobody_is_merged_into_themselves CHECK ((patient_id <> into_patient_id)),
    CONSTRAINT patient_merges_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT patient_merges_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT patient_merges_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT patient_merges_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT patient_merges_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.patient_merges FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_merges OWNER TO carecircle_owner;

CREATE TABLE carecircle.patient_name_indexes (
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    kind text NOT NULL,
    blind_index bytea,
    CONSTRAINT name_index_is_known CHECK ((kind = ANY (ARRAY['surname'::text, 'address'::text])))
);

ALTER TABLE ONLY carecircle.patient_name_indexes FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_name_indexes OWNER TO carecircle_owner;

CREATE TABLE carecircle.patients (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    demographics bytea,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.patients FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patients OWNER TO carecircle_owner;

CREATE TABLE carecircle.personal_relations (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    relation text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT personal_relations_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT personal_relations_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT personal_relations_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT personal_relations_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT personal_relations_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL)))),
    CONSTRAINT relation_is_known CHECK ((relation = ANY (ARRAY['self'::text, 'family'::text, 'household'::text])))
);

ALTER TABLE ONLY carecircle.personal_relations FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.personal_relations OWNER TO carecircle_owner;

CREATE TABLE carecircle.policies (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    actions text[] DEFAULT '{}'::text[] NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT policies_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT policies_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT policies_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT policies_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT policies_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.policies FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.policies OWNER TO carecircle_owner;

CREATE TABLE carecircle.provider_absences (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT provider_absences_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT provider_absences_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT provider_absences_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT provider_absences_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT provider_absences_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.provider_absences FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_absences OWNER TO carecircle_owner;

CREATE TABLE carecircle.provider_credentials (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    system text DEFAULT ''::text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT credential_has_a_code CHECK (((code <> ''::text) AND (code <> ALL (ARRAY['licence'::text, 'specialty'::text, 'certification'::text])))),
    CONSTRAINT credential_kind_is_known CHECK ((kind = ANY (ARRAY['licence'::text, 'specialty'::text, 'certification'::text]))),
    CONSTRAINT provider_credentials_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT provider_credentials_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT provider_credentials_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT provider_credentials_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT provider_credentials_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.provider_credentials FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_credentials OWNER TO carecircle_owner;

CREATE TABLE carecircle.provider_identifiers (
    organization_id uuid NOT NULL,
    system text NOT NULL,
    value text NOT NULL,
    provider_id uuid NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.provider_identifiers FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_identifiers OWNER TO carecircle_owner;

CREATE TABLE carecircle.provider_roles (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    role_code text NOT NULL,
    specialty_code text DEFAULT ''::text NOT NULL,
    unit_id uuid,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT provider_roles_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT provider_roles_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT provider_roles_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT provider_roles_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT provider_roles_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.provider_roles FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_roles OWNER TO carecircle_owner;

CREATE TABLE carecircle.providers (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.providers FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.providers OWNER TO carecircle_owner;

CREATE TABLE carecircle.reassignment_destinations (
    organization_id uuid NOT NULL,
    reassignment_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    cap integer,
    CONSTRAINT reassignment_cap_is_not_negative CHECK ((cap >= 0))
);

ALTER TABLE ONLY carecircle.reassignment_destinations FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignment_destinations OWNER TO carecircle_owner;

CREATE TABLE carecircle.reassignment_items (
    organization_id uuid NOT NULL,
    reassignment_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    fact_id uuid NOT NULL,
    named text NOT NULL,
    patient_id uuid,
    care_team_id uuid,
    provider_id uuid,
    planned text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT reassignment_item_goes_to_somebody CHECK (((planned = 'hand-over'::text) = (provider_id IS NOT NULL))),
    CONSTRAINT reassignment_item_is_planned CHECK ((planned = ANY (ARRAY['hand-over'::text, 'end'::text, 'exception'::text])))
);

ALTER TABLE ONLY carecircle.reassignment_items FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignment_items OWNER TO carecircle_owner;

CREATE TABLE carecircle.reassignment_outcomes (
    organization_id uuid NOT NULL,
    reassignment_id uuid NOT NULL,
    item_id uuid NOT NULL,
    step text NOT NULL,
    outcome text NOT NULL,
    ended_id uuid,
    successor_id uuid,
    entry_id uuid,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT reassignment_step_is_known CHECK ((step = ANY (ARRAY['apply'::text, 'revert'::text])))
);

ALTER TABLE ONLY carecircle.reassignment_outcomes FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignment_outcomes OWNER TO carecircle_owner;

CREATE TABLE carecircle.reassignments (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    entry_id uuid NOT NULL
);

ALTER TABLE ONLY carecircle.reassignments FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignments OWNER TO carecircle_owner;

CREATE TABLE carecircle.referrals (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    referring_provider_id uuid NOT NULL,
    provider_id uuid,
    specialty_code text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT nobody_refers_to_themselves CHECK ((provider_id <> referring_provider_id)),
    CONSTRAINT referral_names_a_specialty CHECK ((specialty_code <> ''::text)),
    CONSTRAINT referrals_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT referrals_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT referrals_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT referrals_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT referrals_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.referrals FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.referrals OWNER TO carecircle_owner;

CREATE TABLE carecircle.reporting_lines (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    reports_to_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT nobody_reports_to_themselves CHECK ((provider_id <> reports_to_id)),
    CONSTRAINT reporting_lines_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT reporting_lines_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT reporting_lines_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT reporting_lines_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT reporting_lines_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.reporting_lines FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reporting_lines OWNER TO carecircle_owner;

CREATE TABLE carecircle.schema_version (
    version_num character varying(32) NOT NULL
);

ALTER TABLE carecircle.schema_version OWNER TO carecircle_owner;

CREATE TABLE carecircle.sign_ins (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    account_id uuid,
    actor text NOT NULL,
    token_id text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT sign_ins_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT sign_ins_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT sign_ins_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT sign_ins_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT sign_ins_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.sign_ins FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.sign_ins OWNER TO carecircle_owner;

CREATE TABLE carecircle.source_records (
    organization_id uuid NOT NULL,
    source text NOT NULL,
    record text NOT NULL,
    version text DEFAULT ''::text NOT NULL,
    version_at timestamp with time zone,
    digest bytea NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.source_records FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.source_records OWNER TO carecircle_owner;

CREATE TABLE carecircle.specialties (
    organization_id uuid NOT NULL,
    system text NOT NULL,
    code text NOT NULL,
    display text NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.specialties FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.specialties OWNER TO carecircle_owner;

CREATE TABLE carecircle.units (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    system text DEFAULT ''::text NOT NULL,
    value text NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

ALTER TABLE ONLY carecircle.units FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.units OWNER TO carecircle_owner;

CREATE TABLE carecircle.visits (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    lineage_id uuid NOT NULL,
    home_id uuid NOT NULL,
    account_id uuid NOT NULL,
    reason bytea NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    superseded_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    superseded_xid xid8,
    entry_id uuid NOT NULL,
    superseded_entry_id uuid,
    source text DEFAULT ''::text NOT NULL,
    source_record text DEFAULT ''::text NOT NULL,
    source_item text DEFAULT ''::text NOT NULL,
    period tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)'::text)) STORED,
    CONSTRAINT visit_is_elsewhere CHECK ((home_id <> organization_id)),
    CONSTRAINT visit_is_short CHECK ((ends_at <= (starts_at + '08:00:00'::interval))),
    CONSTRAINT visits_period_not_empty CHECK ((starts_at < ends_at)),
    CONSTRAINT visits_recorded_at_is_set CHECK (((recorded_at > '-infinity'::timestamp with time zone) AND (recorded_at < 'infinity'::timestamp with time zone))),
    CONSTRAINT visits_start_is_set CHECK ((starts_at > '-infinity'::timestamp with time zone)),
    CONSTRAINT visits_superseded_after_recorded CHECK ((superseded_at >= recorded_at)),
    CONSTRAINT visits_superseded_as_a_whole CHECK ((((superseded_at = 'infinity'::timestamp with time zone) = (superseded_xid IS NULL)) AND ((superseded_at = 'infinity'::timestamp with time zone) = (superseded_entry_id IS NULL))))
);

ALTER TABLE ONLY carecircle.visits FORCE ROW LEVEL SECURITY;

ALTER TABLE carecircle.visits OWNER TO carecircle_owner;

ALTER TABLE ONLY carecircle.audit_events ATTACH PARTITION carecircle.audit_events_other DEFAULT;

ALTER TABLE ONLY carecircle.provider_absences
    ADD CONSTRAINT absent_once_at_a_time EXCLUDE USING gist (organization_id WITH =, provider_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.access_restrictions
    ADD CONSTRAINT access_restrictions_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.accounts
    ADD CONSTRAINT account_of_a_subject_once_at_a_time EXCLUDE USING gist (organization_id WITH =, issuer WITH =, subject WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.account_roles
    ADD CONSTRAINT account_roles_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.audit_checkpoints
    ADD CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (organization_id, epoch, tree_size);

ALTER TABLE ONLY carecircle.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (organization_id, id, recorded_at);

ALTER TABLE ONLY carecircle.audit_events_other
    ADD CONSTRAINT audit_events_other_pkey PRIMARY KEY (organization_id, id, recorded_at);

ALTER TABLE ONLY carecircle.audit_leaves
    ADD CONSTRAINT audit_leaves_pkey PRIMARY KEY (organization_id, epoch, leaf_index);

ALTER TABLE ONLY carecircle.audit_nodes
    ADD CONSTRAINT audit_nodes_pkey PRIMARY KEY (organization_id, epoch, level, node_index);

ALTER TABLE ONLY carecircle.audit_retirements
    ADD CONSTRAINT audit_retirements_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.care_team_closures
    ADD CONSTRAINT care_team_closed_once_at_a_time EXCLUDE USING gist (organization_id WITH =, care_team_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.care_team_closures
    ADD CONSTRAINT care_team_closures_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.care_teams
    ADD CONSTRAINT care_team_identifier_taken UNIQUE (organization_id, system, value);

ALTER TABLE ONLY carecircle.care_team_members
    ADD CONSTRAINT care_team_members_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.care_team_patients
    ADD CONSTRAINT care_team_patients_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.care_teams
    ADD CONSTRAINT care_teams_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT coverage_arrangements_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT covered_once_by_the_same_at_a_time EXCLUDE USING gist (organization_id WITH =, covered_provider_id WITH =, covering_provider_id WITH =, COALESCE(care_team_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =, COALESCE(patient_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =, duty WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.provider_credentials
    ADD CONSTRAINT credential_held_once_at_a_time EXCLUDE USING gist (organization_id WITH =, provider_id WITH =, kind WITH =, code WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.duties
    ADD CONSTRAINT duties_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.duties
    ADD CONSTRAINT duty_held_once_at_a_time EXCLUDE USING gist (organization_id WITH =, provider_id WITH =, duty WITH =, COALESCE(unit_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_reopened_once EXCLUDE USING gist (organization_id WITH =, reopens_id WITH =, lineage_id WITH <>) WHERE (((reopens_id IS NOT NULL) AND (superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.emergency_approvers
    ADD CONSTRAINT emergency_approvers_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.emergency_notes
    ADD CONSTRAINT emergency_notes_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.audit_leaves
    ADD CONSTRAINT entry_sealed_once UNIQUE (organization_id, entry_id);

ALTER TABLE ONLY carecircle.findings
    ADD CONSTRAINT findings_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.idempotent_answers
    ADD CONSTRAINT idempotent_answers_pkey PRIMARY KEY (organization_id, caller, key);

ALTER TABLE ONLY carecircle.patient_labels
    ADD CONSTRAINT labelled_once_at_a_time EXCLUDE USING gist (organization_id WITH =, patient_id WITH =, label WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.legal_holds
    ADD CONSTRAINT legal_holds_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.care_team_members
    ADD CONSTRAINT member_listed_once_at_a_time EXCLUDE USING gist (organization_id WITH =, care_team_id WITH =, provider_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.patient_merges
    ADD CONSTRAINT merged_once_at_a_time EXCLUDE USING gist (organization_id WITH =, patient_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.audit_retirements
    ADD CONSTRAINT month_retired_once UNIQUE (organization_id, month);

ALTER TABLE ONLY carecircle.panel_capacities
    ADD CONSTRAINT one_panel_capacity_at_a_time EXCLUDE USING gist (organization_id WITH =, provider_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.policies
    ADD CONSTRAINT one_policy_at_a_time EXCLUDE USING gist (organization_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.patient_assignments
    ADD CONSTRAINT one_primary_provider_at_a_time EXCLUDE USING gist (organization_id WITH =, patient_id WITH =, period WITH &&) WHERE ((is_primary_provider AND (superseded_at = 'infinity'::timestamp with time zone)));

ALTER TABLE ONLY carecircle.legal_holds
    ADD CONSTRAINT one_state_of_a_legal_hold_at_a_time EXCLUDE USING gist (organization_id WITH =, lineage_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.sign_ins
    ADD CONSTRAINT one_state_of_a_sign_in_at_a_time EXCLUDE USING gist (organization_id WITH =, lineage_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.accounts
    ADD CONSTRAINT one_state_of_an_account_at_a_time EXCLUDE USING gist (organization_id WITH =, lineage_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.api_keys
    ADD CONSTRAINT one_state_of_an_api_key_at_a_time EXCLUDE USING gist (organization_id WITH =, lineage_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT one_state_of_emergency_access_at_a_time EXCLUDE USING gist (organization_id WITH =, lineage_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.referrals
    ADD CONSTRAINT one_version_of_a_referral_at_a_time EXCLUDE USING gist (organization_id WITH =, lineage_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.visits
    ADD CONSTRAINT one_visit_at_a_time EXCLUDE USING gist (organization_id WITH =, account_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.organization_keys
    ADD CONSTRAINT organization_key_is_known_once UNIQUE (organization_id, key_id);

ALTER TABLE ONLY carecircle.organization_keys
    ADD CONSTRAINT organization_keys_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY carecircle.organizations
    ADD CONSTRAINT organizations_slug_taken UNIQUE (slug);

ALTER TABLE ONLY carecircle.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.panel_capacities
    ADD CONSTRAINT panel_capacities_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.patient_assignments
    ADD CONSTRAINT patient_assignments_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.patient_identifiers
    ADD CONSTRAINT patient_identifier_taken PRIMARY KEY (organization_id, blind_index);

ALTER TABLE ONLY carecircle.patient_labels
    ADD CONSTRAINT patient_labels_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.patient_merges
    ADD CONSTRAINT patient_merges_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.patient_name_indexes
    ADD CONSTRAINT patient_name_indexes_pkey PRIMARY KEY (organization_id, patient_id, kind);

ALTER TABLE ONLY carecircle.care_team_patients
    ADD CONSTRAINT patient_on_team_once_at_a_time EXCLUDE USING gist (organization_id WITH =, care_team_id WITH =, patient_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.patients
    ADD CONSTRAINT patients_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.personal_relations
    ADD CONSTRAINT personal_relations_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.provider_absences
    ADD CONSTRAINT provider_absences_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.provider_credentials
    ADD CONSTRAINT provider_credentials_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.provider_identifiers
    ADD CONSTRAINT provider_identifier_taken PRIMARY KEY (organization_id, system, value);

ALTER TABLE ONLY carecircle.provider_roles
    ADD CONSTRAINT provider_roles_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.providers
    ADD CONSTRAINT providers_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_destinations
    ADD CONSTRAINT reassignment_destinations_pkey PRIMARY KEY (organization_id, reassignment_id, provider_id);

ALTER TABLE ONLY carecircle.reassignment_items
    ADD CONSTRAINT reassignment_item_listed_once UNIQUE (organization_id, reassignment_id, fact_id);

ALTER TABLE ONLY carecircle.reassignment_items
    ADD CONSTRAINT reassignment_items_pkey PRIMARY KEY (organization_id, reassignment_id, id);

ALTER TABLE ONLY carecircle.reassignment_outcomes
    ADD CONSTRAINT reassignment_step_done_once PRIMARY KEY (organization_id, reassignment_id, item_id, step);

ALTER TABLE ONLY carecircle.reassignments
    ADD CONSTRAINT reassignments_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.referrals
    ADD CONSTRAINT referrals_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.personal_relations
    ADD CONSTRAINT related_once_at_a_time EXCLUDE USING gist (organization_id WITH =, provider_id WITH =, patient_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.reporting_lines
    ADD CONSTRAINT reporting_lines_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.reporting_lines
    ADD CONSTRAINT reports_once_at_a_time EXCLUDE USING gist (organization_id WITH =, provider_id WITH =, reports_to_id WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.access_restrictions
    ADD CONSTRAINT restricted_once_at_a_time EXCLUDE USING gist (organization_id WITH =, kind WITH =, provider_id WITH =, COALESCE(patient_id, '00000000-0000-0000-0000-000000000000'::uuid) WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.account_roles
    ADD CONSTRAINT role_held_once_at_a_time EXCLUDE USING gist (organization_id WITH =, account_id WITH =, role WITH =, period WITH &&) WHERE (((superseded_at = 'infinity'::timestamp with time zone) AND (NOT isempty(period))));

ALTER TABLE ONLY carecircle.schema_version
    ADD CONSTRAINT schema_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY carecircle.sign_ins
    ADD CONSTRAINT sign_ins_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.source_records
    ADD CONSTRAINT source_records_pkey PRIMARY KEY (organization_id, source, record);

ALTER TABLE ONLY carecircle.specialties
    ADD CONSTRAINT specialties_pkey PRIMARY KEY (organization_id, system, code);

ALTER TABLE ONLY carecircle.units
    ADD CONSTRAINT unit_identifier_taken UNIQUE (organization_id, system, value);

ALTER TABLE ONLY carecircle.units
    ADD CONSTRAINT units_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY carecircle.visits
    ADD CONSTRAINT visits_pkey PRIMARY KEY (organization_id, id);

CREATE INDEX access_restrictions_by ON carecircle.access_restrictions USING btree (organization_id, patient_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (patient_id IS NOT NULL) AND (starts_at < ends_at));

CREATE INDEX access_restrictions_lineage ON carecircle.access_restrictions USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX access_restrictions_on ON carecircle.access_restrictions USING btree (organization_id, provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX access_restrictions_on_superseded ON carecircle.access_restrictions USING btree (organization_id, provider_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX account_roles_lineage ON carecircle.account_roles USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX account_roles_of ON carecircle.account_roles USING btree (organization_id, account_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX accounts_lineage ON carecircle.accounts USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX api_keys_lineage ON carecircle.api_keys USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX audit_events_emergency ON ONLY carecircle.audit_events USING btree (organization_id, provider_id, patient_id, recorded_at) WHERE (basis_kinds @> ARRAY['emergency_access'::text]);

CREATE INDEX audit_events_unsealed ON ONLY carecircle.audit_events USING btree (organization_id, xid);

CREATE INDEX audit_events_other_organization_id_provider_id_patient_id_r_idx ON carecircle.audit_events_other USING btree (organization_id, provider_id, patient_id, recorded_at) WHERE (basis_kinds @> ARRAY['emergency_access'::text]);

CREATE INDEX audit_events_other_organization_id_xid_idx ON carecircle.audit_events_other USING btree (organization_id, xid);

CREATE INDEX care_team_closures_lineage ON carecircle.care_team_closures USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX care_team_members_circle ON carecircle.care_team_members USING btree (organization_id, care_team_id, provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX care_team_members_lineage ON carecircle.care_team_members USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX care_team_members_panel ON carecircle.care_team_members USING btree (organization_id, provider_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (starts_at < ends_at));

CREATE INDEX care_team_members_source ON carecircle.care_team_members USING btree (organization_id, source, source_record) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (source <> ''::text));

CREATE INDEX care_team_members_superseded ON carecircle.care_team_members USING btree (organization_id, care_team_id, provider_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX care_team_patients_circle ON carecircle.care_team_patients USING btree (organization_id, patient_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX care_team_patients_lineage ON carecircle.care_team_patients USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX care_team_patients_panel ON carecircle.care_team_patients USING btree (organization_id, care_team_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (starts_at < ends_at));

CREATE INDEX care_team_patients_source ON carecircle.care_team_patients USING btree (organization_id, source, source_record) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (source <> ''::text));

CREATE INDEX care_team_patients_superseded ON carecircle.care_team_patients USING btree (organization_id, patient_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX coverage_arrangements_arrangement ON carecircle.coverage_arrangements USING btree (organization_id, arrangement_id) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (starts_at < ends_at));

CREATE INDEX coverage_arrangements_covered ON carecircle.coverage_arrangements USING btree (organization_id, covered_provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX coverage_arrangements_covered_superseded ON carecircle.coverage_arrangements USING btree (organization_id, covered_provider_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX coverage_arrangements_covering ON carecircle.coverage_arrangements USING btree (organization_id, covering_provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX coverage_arrangements_covering_superseded ON carecircle.coverage_arrangements USING btree (organization_id, covering_provider_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX coverage_arrangements_lineage ON carecircle.coverage_arrangements USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX duties_deciding ON carecircle.duties USING btree (organization_id, duty, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (duty <> 'break_glass'::text));

CREATE INDEX duties_lineage ON carecircle.duties USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX duties_of ON carecircle.duties USING btree (organization_id, provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX emergency_access_asked ON carecircle.emergency_access USING btree (organization_id, asked_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX emergency_access_lineage ON carecircle.emergency_access USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX emergency_access_of ON carecircle.emergency_access USING btree (organization_id, provider_id, patient_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (scope <> '{}'::text[]));

CREATE INDEX emergency_access_of_superseded ON carecircle.emergency_access USING btree (organization_id, provider_id, patient_id) WHERE ((superseded_at < 'infinity'::timestamp with time zone) AND (scope <> '{}'::text[]));

CREATE INDEX emergency_access_to ON carecircle.emergency_access USING btree (organization_id, patient_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (scope <> '{}'::text[]));

CREATE INDEX emergency_access_to_superseded ON carecircle.emergency_access USING btree (organization_id, patient_id) WHERE ((superseded_at < 'infinity'::timestamp with time zone) AND (scope <> '{}'::text[]));

CREATE INDEX emergency_approvers_of ON carecircle.emergency_approvers USING btree (organization_id, provider_id, emergency_id);

CREATE INDEX emergency_approvers_on ON carecircle.emergency_approvers USING btree (organization_id, emergency_id, provider_id);

CREATE INDEX emergency_notes_on ON carecircle.emergency_notes USING btree (organization_id, emergency_id, recorded_at);

CREATE UNIQUE INDEX finding_told_once ON carecircle.findings USING btree (organization_id, source, source_record, source_item, code) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE UNIQUE INDEX idx_unique_primary_provider_per_patient ON carecircle.patient_assignments USING btree (organization_id, patient_id) WHERE (is_primary_provider AND (superseded_at = 'infinity'::timestamp with time zone) AND (ends_at = 'infinity'::timestamp with time zone));

CREATE INDEX legal_holds_lineage ON carecircle.legal_holds USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX outbox_about ON carecircle.outbox USING btree (organization_id, subject_id, recorded_at);

CREATE INDEX outbox_due ON carecircle.outbox USING btree (organization_id, due_at) WHERE (settled_at IS NULL);

CREATE INDEX panel_capacities_lineage ON carecircle.panel_capacities USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX patient_assignments_circle ON carecircle.patient_assignments USING btree (organization_id, patient_id, provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX patient_assignments_lineage ON carecircle.patient_assignments USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX patient_assignments_panel ON carecircle.patient_assignments USING btree (organization_id, provider_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (starts_at < ends_at));

CREATE INDEX patient_assignments_source ON carecircle.patient_assignments USING btree (organization_id, source, source_record) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (source <> ''::text));

CREATE INDEX patient_assignments_superseded ON carecircle.patient_assignments USING btree (organization_id, patient_id, provider_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX patient_identifiers_of ON carecircle.patient_identifiers USING btree (organization_id, patient_id);

CREATE INDEX patient_labels_lineage ON carecircle.patient_labels USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX patient_labels_on ON carecircle.patient_labels USING btree (organization_id, patient_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX patient_labels_on_superseded ON carecircle.patient_labels USING btree (organization_id, patient_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX patient_merges_lineage ON carecircle.patient_merges USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX patient_merges_of ON carecircle.patient_merges USING btree (organization_id, patient_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX patient_merges_of_superseded ON carecircle.patient_merges USING btree (organization_id, patient_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX patient_name_indexes_found ON carecircle.patient_name_indexes USING btree (organization_id, kind, blind_index);

CREATE INDEX personal_relations_lineage ON carecircle.personal_relations USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX policies_at ON carecircle.policies USING btree (organization_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX policies_lineage ON carecircle.policies USING btree (organization_id, lineage_id, recorded_at);

CREATE UNIQUE INDEX policy_version_taken ON carecircle.policies USING btree (organization_id, version) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX provider_absences_lineage ON carecircle.provider_absences USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX provider_credentials_lineage ON carecircle.provider_credentials USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX provider_credentials_of ON carecircle.provider_credentials USING btree (organization_id, provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX provider_credentials_of_superseded ON carecircle.provider_credentials USING btree (organization_id, provider_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX provider_identifiers_of ON carecircle.provider_identifiers USING btree (organization_id, provider_id);

CREATE INDEX provider_roles_lineage ON carecircle.provider_roles USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX provider_roles_of ON carecircle.provider_roles USING btree (organization_id, provider_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX provider_roles_source ON carecircle.provider_roles USING btree (organization_id, source, source_record) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (source <> ''::text));

CREATE INDEX reassignment_items_by_patient ON carecircle.reassignment_items USING btree (organization_id, reassignment_id, patient_id);

CREATE INDEX referrals_lineage ON carecircle.referrals USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX referrals_of ON carecircle.referrals USING btree (organization_id, patient_id, ends_at) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND (starts_at < ends_at));

CREATE INDEX referrals_same ON carecircle.referrals USING btree (organization_id, lineage_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX referrals_same_superseded ON carecircle.referrals USING btree (organization_id, lineage_id) WHERE (superseded_at < 'infinity'::timestamp with time zone);

CREATE INDEX reporting_lines_lineage ON carecircle.reporting_lines USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX reporting_lines_to ON carecircle.reporting_lines USING btree (organization_id, reports_to_id, ends_at) WHERE (superseded_at = 'infinity'::timestamp with time zone);

CREATE INDEX sign_ins_lineage ON carecircle.sign_ins USING btree (organization_id, lineage_id, recorded_at);

CREATE INDEX visits_lineage ON carecircle.visits USING btree (organization_id, lineage_id, recorded_at);

ALTER INDEX carecircle.audit_events_emergency ATTACH PARTITION carecircle.audit_events_other_organization_id_provider_id_patient_id_r_idx;

ALTER INDEX carecircle.audit_events_unsealed ATTACH PARTITION carecircle.audit_events_other_organization_id_xid_idx;

ALTER INDEX carecircle.audit_events_pkey ATTACH PARTITION carecircle.audit_events_other_pkey;

ALTER TABLE ONLY carecircle.access_restrictions
    ADD CONSTRAINT access_restrictions_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.access_restrictions
    ADD CONSTRAINT access_restrictions_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.access_restrictions
    ADD CONSTRAINT access_restrictions_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.account_roles
    ADD CONSTRAINT account_roles_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.accounts
    ADD CONSTRAINT accounts_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.accounts
    ADD CONSTRAINT accounts_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.api_keys
    ADD CONSTRAINT api_keys_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.audit_retirements
    ADD CONSTRAINT audit_retirements_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.care_team_closures
    ADD CONSTRAINT care_team_closures_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.care_team_closures
    ADD CONSTRAINT care_team_closures_team FOREIGN KEY (organization_id, care_team_id) REFERENCES carecircle.care_teams(organization_id, id);

ALTER TABLE ONLY carecircle.care_team_members
    ADD CONSTRAINT care_team_members_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.care_team_members
    ADD CONSTRAINT care_team_members_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.care_team_members
    ADD CONSTRAINT care_team_members_team FOREIGN KEY (organization_id, care_team_id) REFERENCES carecircle.care_teams(organization_id, id);

ALTER TABLE ONLY carecircle.care_team_patients
    ADD CONSTRAINT care_team_patients_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.care_team_patients
    ADD CONSTRAINT care_team_patients_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.care_team_patients
    ADD CONSTRAINT care_team_patients_team FOREIGN KEY (organization_id, care_team_id) REFERENCES carecircle.care_teams(organization_id, id);

ALTER TABLE ONLY carecircle.care_teams
    ADD CONSTRAINT care_teams_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT coverage_arrangements_covered_provider FOREIGN KEY (organization_id, covered_provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT coverage_arrangements_covering_provider FOREIGN KEY (organization_id, covering_provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT coverage_arrangements_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT coverage_arrangements_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.coverage_arrangements
    ADD CONSTRAINT coverage_arrangements_team FOREIGN KEY (organization_id, care_team_id) REFERENCES carecircle.care_teams(organization_id, id);

ALTER TABLE ONLY carecircle.duties
    ADD CONSTRAINT duties_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.duties
    ADD CONSTRAINT duties_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.duties
    ADD CONSTRAINT duties_unit FOREIGN KEY (organization_id, unit_id) REFERENCES carecircle.units(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_deciding_provider FOREIGN KEY (organization_id, decided_by_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_reviewing_provider FOREIGN KEY (organization_id, reviewed_by_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_seconding_provider FOREIGN KEY (organization_id, seconded_by_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_access
    ADD CONSTRAINT emergency_access_unit FOREIGN KEY (organization_id, unit_id) REFERENCES carecircle.units(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_approvers
    ADD CONSTRAINT emergency_approvers_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.emergency_approvers
    ADD CONSTRAINT emergency_approvers_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.emergency_notes
    ADD CONSTRAINT emergency_notes_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.emergency_notes
    ADD CONSTRAINT emergency_notes_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.findings
    ADD CONSTRAINT findings_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.idempotent_answers
    ADD CONSTRAINT idempotent_answers_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.legal_holds
    ADD CONSTRAINT legal_holds_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.legal_holds
    ADD CONSTRAINT legal_holds_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.organization_keys
    ADD CONSTRAINT organization_keys_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.outbox
    ADD CONSTRAINT outbox_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.outbox
    ADD CONSTRAINT outbox_recipient_provider FOREIGN KEY (organization_id, recipient_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.panel_capacities
    ADD CONSTRAINT panel_capacities_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.panel_capacities
    ADD CONSTRAINT panel_capacities_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.patient_assignments
    ADD CONSTRAINT patient_assignments_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.patient_assignments
    ADD CONSTRAINT patient_assignments_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.patient_assignments
    ADD CONSTRAINT patient_assignments_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.patient_identifiers
    ADD CONSTRAINT patient_identifiers_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.patient_labels
    ADD CONSTRAINT patient_labels_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.patient_labels
    ADD CONSTRAINT patient_labels_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.patient_merges
    ADD CONSTRAINT patient_merges_into_patient FOREIGN KEY (organization_id, into_patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.patient_merges
    ADD CONSTRAINT patient_merges_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.patient_merges
    ADD CONSTRAINT patient_merges_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.patient_name_indexes
    ADD CONSTRAINT patient_name_indexes_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.patient_name_indexes
    ADD CONSTRAINT patient_name_indexes_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.patients
    ADD CONSTRAINT patients_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.personal_relations
    ADD CONSTRAINT personal_relations_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.personal_relations
    ADD CONSTRAINT personal_relations_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.personal_relations
    ADD CONSTRAINT personal_relations_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.policies
    ADD CONSTRAINT policies_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.provider_absences
    ADD CONSTRAINT provider_absences_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.provider_absences
    ADD CONSTRAINT provider_absences_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.provider_credentials
    ADD CONSTRAINT provider_credentials_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.provider_credentials
    ADD CONSTRAINT provider_credentials_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.provider_identifiers
    ADD CONSTRAINT provider_identifiers_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.provider_roles
    ADD CONSTRAINT provider_roles_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.provider_roles
    ADD CONSTRAINT provider_roles_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.provider_roles
    ADD CONSTRAINT provider_roles_unit FOREIGN KEY (organization_id, unit_id) REFERENCES carecircle.units(organization_id, id);

ALTER TABLE ONLY carecircle.providers
    ADD CONSTRAINT providers_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.reassignment_destinations
    ADD CONSTRAINT reassignment_destinations_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_destinations
    ADD CONSTRAINT reassignment_destinations_reassignment FOREIGN KEY (organization_id, reassignment_id) REFERENCES carecircle.reassignments(organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_items
    ADD CONSTRAINT reassignment_items_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_items
    ADD CONSTRAINT reassignment_items_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_items
    ADD CONSTRAINT reassignment_items_reassignment FOREIGN KEY (organization_id, reassignment_id) REFERENCES carecircle.reassignments(organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_items
    ADD CONSTRAINT reassignment_items_team FOREIGN KEY (organization_id, care_team_id) REFERENCES carecircle.care_teams(organization_id, id);

ALTER TABLE ONLY carecircle.reassignment_outcomes
    ADD CONSTRAINT reassignment_outcomes_item FOREIGN KEY (organization_id, reassignment_id, item_id) REFERENCES carecircle.reassignment_items(organization_id, reassignment_id, id);

ALTER TABLE ONLY carecircle.reassignments
    ADD CONSTRAINT reassignments_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.reassignments
    ADD CONSTRAINT reassignments_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.referrals
    ADD CONSTRAINT referrals_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.referrals
    ADD CONSTRAINT referrals_patient FOREIGN KEY (organization_id, patient_id) REFERENCES carecircle.patients(organization_id, id);

ALTER TABLE ONLY carecircle.referrals
    ADD CONSTRAINT referrals_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.referrals
    ADD CONSTRAINT referrals_referring_provider FOREIGN KEY (organization_id, referring_provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.reporting_lines
    ADD CONSTRAINT reporting_lines_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.reporting_lines
    ADD CONSTRAINT reporting_lines_provider FOREIGN KEY (organization_id, provider_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.reporting_lines
    ADD CONSTRAINT reporting_lines_superior_provider FOREIGN KEY (organization_id, reports_to_id) REFERENCES carecircle.providers(organization_id, id);

ALTER TABLE ONLY carecircle.sign_ins
    ADD CONSTRAINT sign_ins_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.source_records
    ADD CONSTRAINT source_records_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.specialties
    ADD CONSTRAINT specialties_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.units
    ADD CONSTRAINT units_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE ONLY carecircle.visits
    ADD CONSTRAINT visits_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES carecircle.organizations(id);

ALTER TABLE carecircle.access_restrictions ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.account_roles ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.api_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY app_edits ON carecircle.care_teams FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.idempotent_answers FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.organization_keys FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.organizations FOR UPDATE TO carecircle_app USING ((id = carecircle.current_organization())) WITH CHECK ((id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.outbox FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.patient_name_indexes FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.patients FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.providers FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.source_records FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.specialties FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_edits ON carecircle.units FOR UPDATE TO carecircle_app USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.audit_retirements FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.care_teams FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.emergency_approvers FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.emergency_notes FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.idempotent_answers FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.organization_keys FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.organizations FOR INSERT TO carecircle_app WITH CHECK ((id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.outbox FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.patient_identifiers FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.patient_name_indexes FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.patients FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.provider_identifiers FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.providers FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.reassignment_destinations FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.reassignment_items FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.reassignment_outcomes FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.reassignments FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.source_records FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.specialties FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_inserts ON carecircle.units FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.access_restrictions FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.account_roles FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.accounts FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.api_keys FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.audit_retirements FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.care_team_closures FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.care_team_members FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.care_team_patients FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.care_teams FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.coverage_arrangements FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.duties FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.emergency_access FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.emergency_approvers FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.emergency_notes FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.findings FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.idempotent_answers FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.legal_holds FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.organization_keys FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.organizations FOR SELECT TO carecircle_app USING (((id = carecircle.current_organization()) OR (slug = NULLIF(current_setting('carecircle.organization_slug'::text, true), ''::text))));

CREATE POLICY app_reads ON carecircle.outbox FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.panel_capacities FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.patient_assignments FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.patient_identifiers FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.patient_labels FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.patient_merges FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.patient_name_indexes FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.patients FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.personal_relations FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.policies FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.provider_absences FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.provider_credentials FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.provider_identifiers FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.provider_roles FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.providers FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.reassignment_destinations FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.reassignment_items FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.reassignment_outcomes FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.reassignments FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.referrals FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.reporting_lines FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.sign_ins FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.source_records FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.specialties FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.units FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_reads ON carecircle.visits FOR SELECT TO carecircle_app USING ((organization_id = carecircle.current_organization()));

CREATE POLICY app_records ON carecircle.access_restrictions FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.account_roles FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.accounts FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.api_keys FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.audit_events FOR INSERT TO carecircle_app WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY app_records ON carecircle.care_team_closures FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.care_team_members FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.care_team_patients FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.coverage_arrangements FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.duties FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.emergency_access FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.findings FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.legal_holds FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.panel_capacities FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.patient_assignments FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.patient_labels FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.patient_merges FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.personal_relations FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.policies FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.provider_absences FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.provider_credentials FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.provider_roles FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.referrals FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.reporting_lines FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.sign_ins FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_records ON carecircle.visits FOR INSERT TO carecircle_app WITH CHECK (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone) AND (superseded_xid IS NULL) AND (superseded_entry_id IS NULL) AND ((recorded_at >= transaction_timestamp()) AND (recorded_at <= statement_timestamp())) AND (recorded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.access_restrictions FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.account_roles FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.accounts FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.api_keys FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.care_team_closures FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.care_team_members FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.care_team_patients FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.coverage_arrangements FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.duties FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.emergency_access FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.findings FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.legal_holds FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.panel_capacities FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.patient_assignments FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.patient_labels FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.patient_merges FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.personal_relations FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.policies FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.provider_absences FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.provider_credentials FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.provider_roles FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.referrals FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.reporting_lines FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.sign_ins FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

CREATE POLICY app_supersedes ON carecircle.visits FOR UPDATE TO carecircle_app USING (((organization_id = carecircle.current_organization()) AND (superseded_at = 'infinity'::timestamp with time zone))) WITH CHECK (((organization_id = carecircle.current_organization()) AND ((superseded_at >= transaction_timestamp()) AND (superseded_at <= statement_timestamp())) AND (superseded_xid = pg_current_xact_id())));

ALTER TABLE carecircle.audit_checkpoints ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_events_other ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_leaves ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_nodes ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.audit_retirements ENABLE ROW LEVEL SECURITY;

CREATE POLICY auditor_reads ON carecircle.access_restrictions FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.account_roles FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.accounts FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.api_keys FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.audit_checkpoints FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.audit_events FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.audit_leaves FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.audit_nodes FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.audit_retirements FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.care_team_closures FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.care_team_members FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.care_team_patients FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.coverage_arrangements FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.duties FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.emergency_access FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.emergency_approvers FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.emergency_notes FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.findings FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.legal_holds FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.organization_keys FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.outbox FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.panel_capacities FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.patient_assignments FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.patient_labels FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.patient_merges FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.personal_relations FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.policies FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.provider_absences FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.provider_credentials FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.provider_roles FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.reassignments FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.referrals FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.reporting_lines FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.sign_ins FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

CREATE POLICY auditor_reads ON carecircle.visits FOR SELECT TO carecircle_auditor USING ((organization_id = carecircle.current_organization()));

ALTER TABLE carecircle.care_team_closures ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_team_members ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_team_patients ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.care_teams ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.coverage_arrangements ENABLE ROW LEVEL SECURITY;

CREATE POLICY decider_reads ON carecircle.access_restrictions FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.account_roles FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.accounts FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.api_keys FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.care_team_members FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.care_team_patients FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.coverage_arrangements FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.duties FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.emergency_access FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.organization_keys FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.patient_assignments FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.patient_identifiers FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.patient_labels FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.patient_merges FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.patients FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.policies FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.provider_credentials FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.provider_identifiers FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.providers FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.referrals FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.sign_ins FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_reads ON carecircle.visits FOR SELECT TO carecircle_decider USING ((organization_id = carecircle.current_organization()));

CREATE POLICY decider_records ON carecircle.audit_events FOR INSERT TO carecircle_decider WITH CHECK ((organization_id = carecircle.current_organization()));

ALTER TABLE carecircle.duties ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.emergency_access ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.emergency_approvers ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.emergency_notes ENABLE ROW LEVEL SECURITY;

CREATE POLICY everywhere_reads ON carecircle.access_restrictions FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.account_roles FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.accounts FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.api_keys FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.care_team_members FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.care_team_patients FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.coverage_arrangements FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.duties FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.emergency_access FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.organization_keys FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.patient_assignments FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.patient_identifiers FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.patient_labels FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.patient_merges FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.patients FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.policies FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.provider_credentials FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.provider_identifiers FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.providers FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.referrals FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.sign_ins FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_reads ON carecircle.visits FOR SELECT TO carecircle_decider_everywhere USING (true);

CREATE POLICY everywhere_records ON carecircle.audit_events FOR INSERT TO carecircle_decider_everywhere WITH CHECK (true);

ALTER TABLE carecircle.findings ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.idempotent_answers ENABLE ROW LEVEL SECURITY;

CREATE POLICY keeper_reads ON carecircle.emergency_access FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_reads ON carecircle.emergency_notes FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_reads ON carecircle.legal_holds FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_reads ON carecircle.organization_keys FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_reads ON carecircle.patient_identifiers FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_reads ON carecircle.patients FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_reads ON carecircle.visits FOR SELECT TO carecircle_keeper USING ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_seals ON carecircle.emergency_access FOR UPDATE TO carecircle_keeper USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_seals ON carecircle.emergency_notes FOR UPDATE TO carecircle_keeper USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_seals ON carecircle.legal_holds FOR UPDATE TO carecircle_keeper USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_seals ON carecircle.patient_identifiers FOR UPDATE TO carecircle_keeper USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_seals ON carecircle.patients FOR UPDATE TO carecircle_keeper USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

CREATE POLICY keeper_seals ON carecircle.visits FOR UPDATE TO carecircle_keeper USING ((organization_id = carecircle.current_organization())) WITH CHECK ((organization_id = carecircle.current_organization()));

ALTER TABLE carecircle.legal_holds ENABLE ROW LEVEL SECURITY;

CREATE POLICY notifier_reads ON carecircle.outbox FOR SELECT TO carecircle_notifier USING (true);

ALTER TABLE carecircle.organization_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.organizations ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.outbox ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.panel_capacities ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_assignments ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_identifiers ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_labels ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_merges ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patient_name_indexes ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.patients ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.personal_relations ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.policies ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_absences ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_credentials ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_identifiers ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.provider_roles ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.providers ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignment_destinations ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignment_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignment_outcomes ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reassignments ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.referrals ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.reporting_lines ENABLE ROW LEVEL SECURITY;

CREATE POLICY sealer_reads ON carecircle.audit_checkpoints FOR SELECT TO carecircle_sealer USING (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_reads ON carecircle.audit_events FOR SELECT TO carecircle_sealer USING (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_reads ON carecircle.audit_leaves FOR SELECT TO carecircle_sealer USING (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_reads ON carecircle.audit_nodes FOR SELECT TO carecircle_sealer USING (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_reads ON carecircle.organizations FOR SELECT TO carecircle_sealer USING (((id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_seals ON carecircle.audit_checkpoints FOR INSERT TO carecircle_sealer WITH CHECK (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_seals ON carecircle.audit_leaves FOR INSERT TO carecircle_sealer WITH CHECK (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

CREATE POLICY sealer_seals ON carecircle.audit_nodes FOR INSERT TO carecircle_sealer WITH CHECK (((organization_id >= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN '00000000-0000-0000-0000-000000000000'::uuid
    ELSE NULL::uuid
END)) AND (organization_id <= COALESCE(carecircle.current_organization(),
CASE
    WHEN (current_setting('carecircle.every_organization'::text, true) = 'on'::text) THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    ELSE NULL::uuid
END))));

ALTER TABLE carecircle.sign_ins ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.source_records ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.specialties ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.units ENABLE ROW LEVEL SECURITY;

ALTER TABLE carecircle.visits ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA carecircle TO carecircle_app;
GRANT USAGE ON SCHEMA carecircle TO carecircle_decider;
GRANT USAGE ON SCHEMA carecircle TO carecircle_decider_everywhere;
GRANT USAGE ON SCHEMA carecircle TO carecircle_sealer;
GRANT USAGE ON SCHEMA carecircle TO carecircle_auditor;
GRANT USAGE ON SCHEMA carecircle TO carecircle_notifier;
GRANT USAGE ON SCHEMA carecircle TO carecircle_keeper;

REVOKE ALL ON FUNCTION carecircle.current_organization() FROM PUBLIC;
GRANT ALL ON FUNCTION carecircle.current_organization() TO carecircle_app;
GRANT ALL ON FUNCTION carecircle.current_organization() TO carecircle_decider;
GRANT ALL ON FUNCTION carecircle.current_organization() TO carecircle_decider_everywhere;
GRANT ALL ON FUNCTION carecircle.current_organization() TO carecircle_sealer;
GRANT ALL ON FUNCTION carecircle.current_organization() TO carecircle_auditor;
GRANT ALL ON FUNCTION carecircle.current_organization() TO carecircle_keeper;

REVOKE ALL ON FUNCTION carecircle.writer() FROM PUBLIC;
GRANT ALL ON FUNCTION carecircle.writer() TO carecircle_app;
GRANT ALL ON FUNCTION carecircle.writer() TO carecircle_decider;
GRANT ALL ON FUNCTION carecircle.writer() TO carecircle_decider_everywhere;

REVOKE ALL ON FUNCTION carecircle.writer_turn(organization uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION carecircle.writer_turn(organization uuid) TO carecircle_app;
GRANT ALL ON FUNCTION carecircle.writer_turn(organization uuid) TO carecircle_decider;
GRANT ALL ON FUNCTION carecircle.writer_turn(organization uuid) TO carecircle_decider_everywhere;

GRANT SELECT,INSERT ON TABLE carecircle.access_restrictions TO carecircle_app;
GRANT SELECT ON TABLE carecircle.access_restrictions TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.access_restrictions TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.access_restrictions TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.access_restrictions TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.access_restrictions TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.access_restrictions TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.account_roles TO carecircle_app;
GRANT SELECT ON TABLE carecircle.account_roles TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.account_roles TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.account_roles TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.account_roles TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.account_roles TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.account_roles TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.accounts TO carecircle_app;
GRANT SELECT ON TABLE carecircle.accounts TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.accounts TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.accounts TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.accounts TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.accounts TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.accounts TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.api_keys TO carecircle_app;
GRANT SELECT ON TABLE carecircle.api_keys TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.api_keys TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.api_keys TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.api_keys TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.api_keys TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.api_keys TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.api_keys TO carecircle_auditor;

REVOKE ALL ON TABLE carecircle.audit_checkpoints FROM carecircle_owner;
GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,MAINTAIN,UPDATE ON TABLE carecircle.audit_checkpoints TO carecircle_owner;
GRANT SELECT,INSERT ON TABLE carecircle.audit_checkpoints TO carecircle_sealer;
GRANT SELECT ON TABLE carecircle.audit_checkpoints TO carecircle_auditor;

REVOKE ALL ON TABLE carecircle.audit_events FROM carecircle_owner;
GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,MAINTAIN,UPDATE ON TABLE carecircle.audit_events TO carecircle_owner;
GRANT SELECT ON TABLE carecircle.audit_events TO carecircle_sealer;
GRANT SELECT ON TABLE carecircle.audit_events TO carecircle_auditor;

GRANT INSERT(organization_id) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(organization_id) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(organization_id) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(id) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(id) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(id) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(kind) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(kind) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(kind) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(actor) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(actor) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(actor) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(provider_id) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(provider_id) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(provider_id) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(patient_id) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(patient_id) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(patient_id) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(action) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(action) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(action) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(purpose) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(purpose) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(purpose) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(allowed) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(allowed) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(allowed) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(code) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(code) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(code) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(as_of) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(as_of) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(as_of) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(believed_at) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(believed_at) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(believed_at) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(basis_kinds) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(basis_kinds) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(basis_kinds) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(basis_ids) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(basis_ids) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(basis_ids) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(basis_under) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(basis_under) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(basis_under) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(basis_ends) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(basis_ends) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(basis_ends) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(request_id) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(request_id) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(request_id) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(detail) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(detail) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(detail) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(basis_via) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(basis_via) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(basis_via) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(writer_id) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(writer_id) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(writer_id) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(writer_turn) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(writer_turn) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(writer_turn) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(mark) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(mark) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(mark) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(on_behalf_of) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(on_behalf_of) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(on_behalf_of) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(address) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(address) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(address) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

GRANT INSERT(policy_version) ON TABLE carecircle.audit_events TO carecircle_app;
GRANT INSERT(policy_version) ON TABLE carecircle.audit_events TO carecircle_decider;
GRANT INSERT(policy_version) ON TABLE carecircle.audit_events TO carecircle_decider_everywhere;

REVOKE ALL ON TABLE carecircle.audit_events_other FROM carecircle_owner;
GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,MAINTAIN,UPDATE ON TABLE carecircle.audit_events_other TO carecircle_owner;

REVOKE ALL ON TABLE carecircle.audit_leaves FROM carecircle_owner;
GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,MAINTAIN,UPDATE ON TABLE carecircle.audit_leaves TO carecircle_owner;
GRANT SELECT,INSERT ON TABLE carecircle.audit_leaves TO carecircle_sealer;
GRANT SELECT ON TABLE carecircle.audit_leaves TO carecircle_auditor;

REVOKE ALL ON TABLE carecircle.audit_nodes FROM carecircle_owner;
GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,MAINTAIN,UPDATE ON TABLE carecircle.audit_nodes TO carecircle_owner;
GRANT SELECT,INSERT ON TABLE carecircle.audit_nodes TO carecircle_sealer;
GRANT SELECT ON TABLE carecircle.audit_nodes TO carecircle_auditor;

GRANT SELECT ON TABLE carecircle.audit_opening TO carecircle_sealer;
GRANT SELECT ON TABLE carecircle.audit_opening TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.audit_retirements TO carecircle_app;
GRANT SELECT ON TABLE carecircle.audit_retirements TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.care_team_closures TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.care_team_closures TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.care_team_closures TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.care_team_closures TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.care_team_closures TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.care_team_members TO carecircle_app;
GRANT SELECT ON TABLE carecircle.care_team_members TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.care_team_members TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.care_team_members TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.care_team_members TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.care_team_members TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.care_team_members TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.care_team_patients TO carecircle_app;
GRANT SELECT ON TABLE carecircle.care_team_patients TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.care_team_patients TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.care_team_patients TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.care_team_patients TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.care_team_patients TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.care_team_patients TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.care_teams TO carecircle_app;

GRANT UPDATE(name) ON TABLE carecircle.care_teams TO carecircle_app;

GRANT UPDATE(team_type) ON TABLE carecircle.care_teams TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.coverage_arrangements TO carecircle_app;
GRANT SELECT ON TABLE carecircle.coverage_arrangements TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.coverage_arrangements TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.coverage_arrangements TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.coverage_arrangements TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.coverage_arrangements TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.coverage_arrangements TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.duties TO carecircle_app;
GRANT SELECT ON TABLE carecircle.duties TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.duties TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.duties TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.duties TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.duties TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.duties TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.emergency_access TO carecircle_app;
GRANT SELECT ON TABLE carecircle.emergency_access TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.emergency_access TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.emergency_access TO carecircle_auditor;
GRANT SELECT(organization_id) ON TABLE carecircle.emergency_access TO carecircle_keeper;

GRANT SELECT(id) ON TABLE carecircle.emergency_access TO carecircle_auditor;
GRANT SELECT(id) ON TABLE carecircle.emergency_access TO carecircle_keeper;

GRANT SELECT(lineage_id) ON TABLE carecircle.emergency_access TO carecircle_keeper;

GRANT SELECT(reason),UPDATE(reason) ON TABLE carecircle.emergency_access TO carecircle_keeper;

GRANT SELECT(second_reason),UPDATE(second_reason) ON TABLE carecircle.emergency_access TO carecircle_keeper;

GRANT SELECT(recorded_at) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.emergency_access TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.emergency_access TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.emergency_access TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.emergency_access TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.emergency_approvers TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.emergency_approvers TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.emergency_approvers TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.emergency_approvers TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.emergency_approvers TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.emergency_approvers TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.emergency_notes TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.emergency_notes TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.emergency_notes TO carecircle_auditor;
GRANT SELECT(organization_id) ON TABLE carecircle.emergency_notes TO carecircle_keeper;

GRANT SELECT(id) ON TABLE carecircle.emergency_notes TO carecircle_auditor;
GRANT SELECT(id) ON TABLE carecircle.emergency_notes TO carecircle_keeper;

GRANT SELECT(body),UPDATE(body) ON TABLE carecircle.emergency_notes TO carecircle_keeper;

GRANT SELECT(recorded_at) ON TABLE carecircle.emergency_notes TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.emergency_notes TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.findings TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.findings TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.findings TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.findings TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.findings TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.idempotent_answers TO carecircle_app;

GRANT UPDATE(request_digest) ON TABLE carecircle.idempotent_answers TO carecircle_app;

GRANT UPDATE(status) ON TABLE carecircle.idempotent_answers TO carecircle_app;

GRANT UPDATE(headers) ON TABLE carecircle.idempotent_answers TO carecircle_app;

GRANT UPDATE(body) ON TABLE carecircle.idempotent_answers TO carecircle_app;

GRANT UPDATE(recorded_at) ON TABLE carecircle.idempotent_answers TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.legal_holds TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.legal_holds TO carecircle_auditor;
GRANT SELECT(organization_id) ON TABLE carecircle.legal_holds TO carecircle_keeper;

GRANT SELECT(id) ON TABLE carecircle.legal_holds TO carecircle_auditor;
GRANT SELECT(id) ON TABLE carecircle.legal_holds TO carecircle_keeper;

GRANT SELECT(lineage_id) ON TABLE carecircle.legal_holds TO carecircle_keeper;

GRANT SELECT(reason),UPDATE(reason) ON TABLE carecircle.legal_holds TO carecircle_keeper;

GRANT SELECT(recorded_at) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.legal_holds TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.legal_holds TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.legal_holds TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.legal_holds TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.organization_keys TO carecircle_app;
GRANT SELECT ON TABLE carecircle.organization_keys TO carecircle_keeper;

GRANT SELECT(xmin) ON TABLE carecircle.organization_keys TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(organization_id) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;
GRANT SELECT(organization_id) ON TABLE carecircle.organization_keys TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(id) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;
GRANT SELECT(id) ON TABLE carecircle.organization_keys TO carecircle_auditor;

GRANT SELECT(purpose) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(purpose) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;

GRANT SELECT(key_id) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(key_id) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;

GRANT UPDATE(wrapped) ON TABLE carecircle.organization_keys TO carecircle_app;
GRANT SELECT(wrapped) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(wrapped) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;

GRANT UPDATE(root_key_id) ON TABLE carecircle.organization_keys TO carecircle_app;
GRANT SELECT(root_key_id) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(root_key_id) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;

GRANT SELECT(writes_from) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(writes_from) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;

GRANT SELECT(recorded_at) ON TABLE carecircle.organization_keys TO carecircle_auditor;

GRANT UPDATE(destroyed_at) ON TABLE carecircle.organization_keys TO carecircle_app;
GRANT SELECT(destroyed_at) ON TABLE carecircle.organization_keys TO carecircle_decider;
GRANT SELECT(destroyed_at) ON TABLE carecircle.organization_keys TO carecircle_decider_everywhere;

GRANT SELECT(entry_id) ON TABLE carecircle.organization_keys TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.organizations TO carecircle_app;

GRANT SELECT(id) ON TABLE carecircle.organizations TO carecircle_sealer;

GRANT UPDATE(name) ON TABLE carecircle.organizations TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.outbox TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.outbox TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.outbox TO carecircle_notifier;
GRANT SELECT(organization_id) ON TABLE carecircle.outbox TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.outbox TO carecircle_auditor;

GRANT UPDATE(due_at) ON TABLE carecircle.outbox TO carecircle_app;
GRANT SELECT(due_at) ON TABLE carecircle.outbox TO carecircle_notifier;

GRANT UPDATE(attempts) ON TABLE carecircle.outbox TO carecircle_app;

GRANT UPDATE(settled_at) ON TABLE carecircle.outbox TO carecircle_app;
GRANT SELECT(settled_at) ON TABLE carecircle.outbox TO carecircle_notifier;

GRANT UPDATE(outcome) ON TABLE carecircle.outbox TO carecircle_app;

GRANT SELECT(recorded_at) ON TABLE carecircle.outbox TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.outbox TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.panel_capacities TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.panel_capacities TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.panel_capacities TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.panel_capacities TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.panel_capacities TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.patient_assignments TO carecircle_app;
GRANT SELECT ON TABLE carecircle.patient_assignments TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.patient_assignments TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.patient_assignments TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.patient_assignments TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.patient_assignments TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.patient_assignments TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.patient_identifiers TO carecircle_app;

GRANT SELECT(organization_id) ON TABLE carecircle.patient_identifiers TO carecircle_decider;
GRANT SELECT(organization_id) ON TABLE carecircle.patient_identifiers TO carecircle_decider_everywhere;
GRANT SELECT(organization_id) ON TABLE carecircle.patient_identifiers TO carecircle_keeper;

GRANT SELECT(blind_index) ON TABLE carecircle.patient_identifiers TO carecircle_decider;
GRANT SELECT(blind_index) ON TABLE carecircle.patient_identifiers TO carecircle_decider_everywhere;
GRANT SELECT(blind_index) ON TABLE carecircle.patient_identifiers TO carecircle_keeper;

GRANT SELECT(patient_id) ON TABLE carecircle.patient_identifiers TO carecircle_decider;
GRANT SELECT(patient_id) ON TABLE carecircle.patient_identifiers TO carecircle_decider_everywhere;
GRANT SELECT(patient_id) ON TABLE carecircle.patient_identifiers TO carecircle_keeper;

GRANT SELECT(identifier),UPDATE(identifier) ON TABLE carecircle.patient_identifiers TO carecircle_keeper;

GRANT SELECT,INSERT ON TABLE carecircle.patient_labels TO carecircle_app;
GRANT SELECT ON TABLE carecircle.patient_labels TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.patient_labels TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.patient_labels TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.patient_labels TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.patient_labels TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.patient_labels TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.patient_merges TO carecircle_app;
GRANT SELECT ON TABLE carecircle.patient_merges TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.patient_merges TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.patient_merges TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.patient_merges TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.patient_merges TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.patient_merges TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.patient_name_indexes TO carecircle_app;

GRANT UPDATE(blind_index) ON TABLE carecircle.patient_name_indexes TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.patients TO carecircle_app;

GRANT SELECT(organization_id) ON TABLE carecircle.patients TO carecircle_decider;
GRANT SELECT(organization_id) ON TABLE carecircle.patients TO carecircle_decider_everywhere;
GRANT SELECT(organization_id) ON TABLE carecircle.patients TO carecircle_keeper;

GRANT SELECT(id) ON TABLE carecircle.patients TO carecircle_decider;
GRANT SELECT(id) ON TABLE carecircle.patients TO carecircle_decider_everywhere;
GRANT SELECT(id) ON TABLE carecircle.patients TO carecircle_keeper;

GRANT UPDATE(demographics) ON TABLE carecircle.patients TO carecircle_app;
GRANT SELECT(demographics),UPDATE(demographics) ON TABLE carecircle.patients TO carecircle_keeper;

GRANT SELECT(recorded_at) ON TABLE carecircle.patients TO carecircle_decider;
GRANT SELECT(recorded_at) ON TABLE carecircle.patients TO carecircle_decider_everywhere;

GRANT SELECT,INSERT ON TABLE carecircle.personal_relations TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.personal_relations TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.personal_relations TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.personal_relations TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.personal_relations TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.policies TO carecircle_app;
GRANT SELECT ON TABLE carecircle.policies TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.policies TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.policies TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.policies TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.policies TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.policies TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.provider_absences TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.provider_absences TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.provider_absences TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.provider_absences TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.provider_absences TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.provider_credentials TO carecircle_app;
GRANT SELECT ON TABLE carecircle.provider_credentials TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.provider_credentials TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.provider_credentials TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.provider_credentials TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.provider_credentials TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.provider_credentials TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.provider_identifiers TO carecircle_app;

GRANT SELECT(organization_id) ON TABLE carecircle.provider_identifiers TO carecircle_decider;
GRANT SELECT(organization_id) ON TABLE carecircle.provider_identifiers TO carecircle_decider_everywhere;

GRANT SELECT(system) ON TABLE carecircle.provider_identifiers TO carecircle_decider;
GRANT SELECT(system) ON TABLE carecircle.provider_identifiers TO carecircle_decider_everywhere;

GRANT SELECT(value) ON TABLE carecircle.provider_identifiers TO carecircle_decider;
GRANT SELECT(value) ON TABLE carecircle.provider_identifiers TO carecircle_decider_everywhere;

GRANT SELECT(provider_id) ON TABLE carecircle.provider_identifiers TO carecircle_decider;
GRANT SELECT(provider_id) ON TABLE carecircle.provider_identifiers TO carecircle_decider_everywhere;

GRANT SELECT,INSERT ON TABLE carecircle.provider_roles TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.provider_roles TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.provider_roles TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.provider_roles TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.provider_roles TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.providers TO carecircle_app;

GRANT SELECT(organization_id) ON TABLE carecircle.providers TO carecircle_decider;
GRANT SELECT(organization_id) ON TABLE carecircle.providers TO carecircle_decider_everywhere;

GRANT SELECT(id) ON TABLE carecircle.providers TO carecircle_decider;
GRANT SELECT(id) ON TABLE carecircle.providers TO carecircle_decider_everywhere;

GRANT UPDATE(name) ON TABLE carecircle.providers TO carecircle_app;

GRANT SELECT(recorded_at) ON TABLE carecircle.providers TO carecircle_decider;
GRANT SELECT(recorded_at) ON TABLE carecircle.providers TO carecircle_decider_everywhere;

GRANT SELECT,INSERT ON TABLE carecircle.reassignment_destinations TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.reassignment_items TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.reassignment_outcomes TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.reassignments TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.reassignments TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.reassignments TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.reassignments TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.reassignments TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.reassignments TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.referrals TO carecircle_app;
GRANT SELECT ON TABLE carecircle.referrals TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.referrals TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.referrals TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.referrals TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.referrals TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.referrals TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.reporting_lines TO carecircle_app;

GRANT SELECT(xmin) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.reporting_lines TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.reporting_lines TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.reporting_lines TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.reporting_lines TO carecircle_auditor;

GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_app;
GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_decider_everywhere;
GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_sealer;
GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_auditor;
GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_notifier;
GRANT SELECT ON TABLE carecircle.schema_version TO carecircle_keeper;

GRANT SELECT,INSERT ON TABLE carecircle.sign_ins TO carecircle_app;
GRANT SELECT ON TABLE carecircle.sign_ins TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.sign_ins TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT SELECT(id) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT SELECT(recorded_at) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.sign_ins TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.sign_ins TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.sign_ins TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.sign_ins TO carecircle_auditor;

GRANT SELECT,INSERT ON TABLE carecircle.source_records TO carecircle_app;

GRANT UPDATE(version) ON TABLE carecircle.source_records TO carecircle_app;

GRANT UPDATE(version_at) ON TABLE carecircle.source_records TO carecircle_app;

GRANT UPDATE(digest) ON TABLE carecircle.source_records TO carecircle_app;

GRANT UPDATE(recorded_at) ON TABLE carecircle.source_records TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.specialties TO carecircle_app;

GRANT UPDATE(display) ON TABLE carecircle.specialties TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.units TO carecircle_app;

GRANT UPDATE(name) ON TABLE carecircle.units TO carecircle_app;

GRANT SELECT,INSERT ON TABLE carecircle.visits TO carecircle_app;
GRANT SELECT ON TABLE carecircle.visits TO carecircle_decider;
GRANT SELECT ON TABLE carecircle.visits TO carecircle_decider_everywhere;

GRANT SELECT(xmin) ON TABLE carecircle.visits TO carecircle_auditor;

GRANT SELECT(organization_id) ON TABLE carecircle.visits TO carecircle_auditor;
GRANT SELECT(organization_id) ON TABLE carecircle.visits TO carecircle_keeper;

GRANT SELECT(id) ON TABLE carecircle.visits TO carecircle_auditor;
GRANT SELECT(id) ON TABLE carecircle.visits TO carecircle_keeper;

GRANT SELECT(lineage_id) ON TABLE carecircle.visits TO carecircle_keeper;

GRANT SELECT(reason),UPDATE(reason) ON TABLE carecircle.visits TO carecircle_keeper;

GRANT SELECT(recorded_at) ON TABLE carecircle.visits TO carecircle_auditor;

GRANT UPDATE(superseded_at) ON TABLE carecircle.visits TO carecircle_app;
GRANT SELECT(superseded_at) ON TABLE carecircle.visits TO carecircle_auditor;

GRANT SELECT(recorded_xid) ON TABLE carecircle.visits TO carecircle_auditor;

GRANT UPDATE(superseded_xid) ON TABLE carecircle.visits TO carecircle_app;
GRANT SELECT(superseded_xid) ON TABLE carecircle.visits TO carecircle_auditor;

GRANT SELECT(entry_id) ON TABLE carecircle.visits TO carecircle_auditor;

GRANT UPDATE(superseded_entry_id) ON TABLE carecircle.visits TO carecircle_app;
GRANT SELECT(superseded_entry_id) ON TABLE carecircle.visits TO carecircle_auditor;
